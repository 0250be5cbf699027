// SPDX-License-Identifier: Apache-2.0

package kernelrpm

import (
	"os"
	"path/filepath"
	"testing"

	"ovzpatch/internal/rpmbuild"
)

// Kernels of Red Hat's kind come without a list of their modules.
func TestUnpackListsModules(t *testing.T) {
	top := t.TempDir()
	job := rpmbuild.Job{Spec: filepath.Join(top, "SPECS", "k.spec"), Topdir: top, NoDeps: true, Log: filepath.Join(top, "log")}
	if err := job.Dirs(); err != nil {
		t.Fatal(err)
	}
	spec := "Name: k\nVersion: 6.1.1\nRelease: 1\nSummary: k\nLicense: GPLv2\n%description\nk\n%install\n" +
		"mkdir -p %{buildroot}/boot %{buildroot}/lib/modules/6.1.1-1/kernel\ntouch %{buildroot}/boot/vmlinuz-6.1.1-1\n" +
		"%files\n/boot/vmlinuz-6.1.1-1\n/lib/modules/6.1.1-1\n"
	if err := os.WriteFile(job.Spec, []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	built, err := rpmbuild.Run(t.Context(), job, func(rpmbuild.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	k, err := Unpack(t.Context(), built.Packages[0], t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(k.Modules, "modules.dep")); err != nil || k.Release != "6.1.1-1" {
		t.Errorf("%+v: %v", k, err)
	}
}
