// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"ovzpatch/internal/rpmbuild"
)

// Kernels of Red Hat's kind come without a list of their modules.
func TestUnpackKernelListsModules(t *testing.T) {
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
	parts, err := unpackKernel(t.Context(), built.Packages[0], t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(parts.ModuleTree, "modules.dep")); err != nil || parts.Release != "6.1.1-1" {
		t.Errorf("%+v: %v", parts, err)
	}
}

// The probe compiles against the build trees that OVZPATCH_TEST_HEADERS names, one after
// another with colons, as linux-headers packages or make leave them.
func TestProbeCompiles(t *testing.T) {
	trees := filepath.SplitList(os.Getenv("OVZPATCH_TEST_HEADERS"))
	if len(trees) == 0 {
		t.Skip("OVZPATCH_TEST_HEADERS names no kernel's build tree")
	}
	for _, tree := range trees {
		if err := compileProbe(t.Context(), tree, t.TempDir()); err != nil {
			t.Errorf("%s: %v", tree, err)
		}
	}
}
