// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/livepatch"
)

// stockSpec makes packages of Debian's kernel as it is. What it unpacks is only there for the patch.
const stockSpec = `%global debug_package %{nil}
%global __os_install_post %{nil}
%define with_up 1
Name: kernel
Version: 6.1.1
Release: 1
Summary: Debian's kernel
License: GPL-2.0-only
Source0: linux-6.1.1.tar.gz
AutoReqProv: no
%description
Debian's kernel.
%package devel
Summary: Its headers
AutoReqProv: no
%description devel
Its headers.
%prep
%setup -q -n linux-6.1.1
%build
true
%install
mkdir -p %{buildroot}/boot %{buildroot}/lib/modules/REL/kernel %{buildroot}/usr/src/kernels
cp DEBIAN/boot/vmlinuz-REL %{buildroot}/boot
cp DEBIAN/lib/modules/REL/modules.[bo]* %{buildroot}/lib/modules/REL
cp -RL DEBIAN/usr/src/linux-headers-REL %{buildroot}/usr/src/kernels/REL
%files
/boot/*
/lib/modules/*
%files devel
/usr/src/kernels/*
`

// stockSource makes a source RPM of that, and a patch that fits it.
func stockSource(t *testing.T, release string) (source, patch string) {
	t.Helper()
	debian, err := filepath.Abs("../../bin/test/debian")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	patch = filepath.Join(dir, "ours.patch")
	for name, text := range map[string]string{
		"kernel.spec":                strings.NewReplacer("REL", release, "DEBIAN", debian).Replace(stockSpec),
		"linux-6.1.1/Makefile":       "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\nEXTRAVERSION =\n\nall:\n\ttrue\n",
		"linux-6.1.1/fs/namespace.c": "int a;\n",
		"ours.patch":                 "--- a/fs/namespace.c\n+++ b/fs/namespace.c\n@@ -1 +1 @@\n-int a;\n+char a[] = \"Forced umount of lustre fs is not allowed inside container (%d).\";\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pack := exec.CommandContext(t.Context(), "sh", "-ec", `cd "$1"; mkdir -p top/SOURCES
tar -czf top/SOURCES/linux-6.1.1.tar.gz linux-6.1.1; rpmbuild -bs --nodeps --define "_topdir $1/top" kernel.spec`, "sh", dir)
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "top/SRPMS/kernel-6.1.1-1.src.rpm"), patch
}

// calledAfter is a release in the names of packages and units, in which there is no + (Debian 13's releases have one).
func calledAfter(release string) string { return strings.ReplaceAll(release, "+", "_") }

// A run tries the module on the kernel without the patch, made from its packages: it is in the report, of
// every kind, and where -o says, and its package requires its kernel's.
func TestRunLivepatch(t *testing.T) {
	long(t)
	_, modules := stockKernel(t)
	release := filepath.Base(modules)
	source, patch := stockSource(t, release)
	dir := t.TempDir()
	junit := filepath.Join(dir, "junit.xml")
	stdout, stderr, code := ovzpatch(t, "run", source, "--patch", patch, "--misplaced", "--no-prove", "--nodeps", "--only=without", "--livepatch",
		"--json", "--report", "junit="+junit, "--cases", "force-idle|force-busy|host-force$", "-o", dir)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	r := parseReport(t, stdout)
	var got []string
	for _, k := range r.Kernels {
		got = append(got, k.Label+": "+string(k.Verdict))
	}
	want := []string{
		"without the patch: " + string(guest.Vulnerable),
		"livepatch not loaded: " + string(guest.Vulnerable), "livepatch loaded: " + string(guest.Protected),
		"livepatch disabled: " + string(guest.Vulnerable), "livepatch loaded again: " + string(guest.Protected),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if text, err := os.ReadFile(junit); err != nil || !strings.Contains(string(text), `"livepatch loaded again.namespaces"`) {
		t.Errorf("the report for JUnit lacks the livepatch (%v)", err)
	}
	one := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v (%v)", pattern, found, err)
		}
		return found[0]
	}
	one(livepatch.Name(1) + ".ko")
	needs, err := exec.CommandContext(t.Context(), "rpm", "--dbpath", t.TempDir(), "-qp", "--requires", one("livepatch-ovz-"+calledAfter(release)+"-1-1.x86_64.rpm")).Output()
	if err != nil || !strings.Contains(string(needs), "\nkernel = 6.1.1-1\n") {
		t.Errorf("its package requires (%v)\n%s", err, needs)
	}
}
