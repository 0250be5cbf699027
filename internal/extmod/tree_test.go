// SPDX-License-Identifier: Apache-2.0

package extmod

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/job"
)

// A build tree that says of which kernel it is, is not taken for that of another.
func TestCheckTree(t *testing.T) {
	const uts = "#define UTS_RELEASE \"5.14.0-427.el9.x86_64\"\n"
	for file, text := range map[string]string{
		"include/generated/utsrelease.h": uts,
		"include/linux/utsrelease.h":     "#define UTS_SYSNAME \"Linux\"\n" + uts,
		"include/linux/version.h":        uts + "#define LINUX_VERSION_CODE 132617\n",
	} {
		tree := t.TempDir()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(tree, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, tree, file, text)
		if err := CheckTree(tree, "5.14.0-427.el9.x86_64", "a.rpm"); err != nil {
			t.Error(file, err)
		}
		err := CheckTree(tree, "6.1.192-1.x86_64", "a.rpm")
		if !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "a.rpm is of kernel 5.14.0-427.el9.x86_64, but the kernel is 6.1.192-1.x86_64") {
			t.Error(file, err)
		}
		// Which of two counts is not known here.
		put(t, tree, file, text+"#define UTS_RELEASE \"5.14.0-427.el9.x86_64+debug\"\n")
		if err := CheckTree(tree, "6.1.192-1.x86_64", "a.rpm"); err != nil {
			t.Error(file, err)
		}
	}
	if err := CheckTree(t.TempDir(), "6.1.192-1.x86_64", "a.rpm"); err != nil {
		t.Error("a tree that does not say:", err)
	}
}

// A -devel package without the configuration is told as that, not as a file of ours that is gone.
func TestDevelWithoutConfig(t *testing.T) {
	dir := t.TempDir()
	spec := put(t, dir, "k.spec", `Name: k-devel
Version: 1
Release: 1
Summary: k
License: GPL-2.0-only
BuildArch: noarch
%description
k
%install
mkdir -p %{buildroot}/usr/src/kernels/6.1
touch %{buildroot}/usr/src/kernels/6.1/Makefile
%files
/usr/src/kernels
`)
	if out, err := exec.CommandContext(t.Context(), "rpmbuild", "-bb", "--nodeps", "--define", "_topdir "+dir, spec).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, err := Devel(t.Context(), filepath.Join(dir, "RPMS/noarch/k-devel-1-1.noarch.rpm"), filepath.Join(dir, "devel"))
	if !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "no configuration of the kernel, /usr/src/kernels/6.1/.config") {
		t.Error(err)
	}
}

// The kernel's makefiles say of such a directory that several modules are not supported, or that a quote does not end.
func TestCompileInAnOddDirectory(t *testing.T) {
	for _, name := range []string{"a b", "a%b", "a'b", "a$b", "a:b", "a,b", "a=b"} {
		err := Compile(t.Context(), t.TempDir(), os.DirFS(t.TempDir()), filepath.Join("/tmp", name, "module"))
		if !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "$TMPDIR can name another place") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"/tmp/a-b_c.d+e@h~i^j/é"} {
		if strings.ContainsFunc(name, breaksMake) {
			t.Errorf("%s is refused", name)
		}
	}
}
