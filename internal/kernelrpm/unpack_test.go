// SPDX-License-Identifier: Apache-2.0

package kernelrpm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/rpmbuild"
)

// made makes a kernel package, whose image a command makes, and returns its path.
func made(t *testing.T, image string) string {
	t.Helper()
	return build(t, image, false).Packages[0]
}

func build(t *testing.T, image string, source bool) *rpmbuild.Result {
	t.Helper()
	top := t.TempDir()
	job := rpmbuild.Job{Spec: filepath.Join(top, "SPECS", "k.spec"), Topdir: top, NoDeps: true, Log: filepath.Join(top, "log"), SourceOnly: source}
	if err := job.Dirs(); err != nil {
		t.Fatal(err)
	}
	spec := "%define _binary_payload w1.gzdio\nName: k\nVersion: 6.1.1\nRelease: 1\nSummary: k\nLicense: GPLv2\n%description\nk\n%install\n" +
		"mkdir -p %{buildroot}/boot %{buildroot}/lib/modules/6.1.1-1/kernel\n" + image + " >%{buildroot}/boot/vmlinuz-6.1.1-1\n" +
		"%files\n/boot/vmlinuz-6.1.1-1\n/lib/modules/6.1.1-1\n"
	if err := os.WriteFile(job.Spec, []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	built, err := rpmbuild.Run(t.Context(), job, func(rpmbuild.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// bytesRead is how much this process has read, by the kernel's account.
func bytesRead(t *testing.T) (n int64) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(b), "rchar: %d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Looking into a kernel package reads it once, for all digests and for the patch's message; so does
// unpacking it.
func TestPackageIsReadOnce(t *testing.T) {
	path := made(t, "head -c 8M /dev/urandom")
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	start := bytesRead(t)
	c, err := p.Look(t.Context(), "")
	if err != nil || c.Kernel != "6.1.1-1" || c.Unread == "" {
		t.Fatalf("%+v, %v", c, err)
	}
	looked := bytesRead(t)
	if _, err := Unpack(t.Context(), path, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]int64{"looking": looked - start, "unpacking": bytesRead(t) - looked} {
		if n < st.Size()*9/10 || n > st.Size()*3/2 {
			t.Errorf("%s read %d bytes of a package of %d", what, n, st.Size())
		}
	}
}

// A source package and one without a kernel are told as that, not as one that lacks its -devel.
func TestFindDevelOfNoKernel(t *testing.T) {
	kernel, source := made(t, "echo x"), build(t, ":", true).Source
	for path, want := range map[string]string{kernel: "no -devel package", made(t, ":"): "holds no kernel image", source: "is a source package"} {
		if _, err := FindDevel(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, want)
		}
	}
}

// Kernels of Red Hat's kind come without a list of their modules.
func TestUnpackListsModules(t *testing.T) {
	k, err := Unpack(t.Context(), made(t, ":"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(k.Modules, "modules.dep")); err != nil || k.Release != "6.1.1-1" {
		t.Errorf("%+v: %v", k, err)
	}
}
