// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/rpmfile"
)

// kernelPackage builds a package without files, which provides what a line of its spec says.
func kernelPackage(t *testing.T, line string) string {
	t.Helper()
	top := t.TempDir()
	j := rpmbuild.Job{Spec: filepath.Join(top, "SPECS", "kernel.spec"), Topdir: top, NoDeps: true, Log: filepath.Join(top, "log")}
	if err := j.Dirs(); err != nil {
		t.Fatal(err)
	}
	spec := "Name: kernel\nVersion: 5.14.0\nRelease: 503.el9\nSummary: s\nLicense: GPL-2.0-only\n" + line + "\n%description\nd\n%files\n"
	if err := os.WriteFile(j.Spec, []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	res, err := rpmbuild.Run(t.Context(), j, func(rpmbuild.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	return res.Packages[0]
}

// The package holds the module as it is, goes with its kernel, and is the same every time.
func TestPackage(t *testing.T) {
	const release = "5.14.0-503.el9.x86_64"
	for line, want := range map[string]string{
		"Provides: kernel-uname-r = " + release:           "kernel-uname-r = " + release,
		"Provides: kernel-uname-r = 5.14.0-502.el9.other": "kernel = 5.14.0-503.el9",
		"":     "kernel = 5.14.0-503.el9",
		"bare": "",
	} {
		o := Options{Release: release, Output: t.TempDir(), Revision: 3}
		if line != "bare" {
			o.Package = kernelPackage(t, line)
		}
		m := &Module{Path: filepath.Join(o.Output, Name(3)+".ko")}
		if err := os.WriteFile(m.Path, []byte("\x7fELF, a module"), 0o644); err != nil {
			t.Fatal(err)
		}
		path, err := pack(t.Context(), m, o, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if name := "livepatch-ovz-" + release + "-3-1.x86_64.rpm"; filepath.Base(path) != name {
			t.Errorf("the package is %s, not %s", path, name)
		}
		pkg, err := rpmfile.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer pkg.Close()
		var needs []string
		for _, d := range pkg.Requires() {
			needs = append(needs, d.String())
		}
		if kernel := slices.DeleteFunc(needs, func(s string) bool { return !strings.HasPrefix(s, "kernel") }); strings.Join(kernel, ", ") != want {
			t.Errorf("%s: it requires %q, want %q", line, kernel, want)
		}
		const ko = "/lib/modules/" + release + "/livepatch/ovzlivepatch_3.ko"
		files, err := pkg.ReadFiles(t.Context(), ko)
		if err != nil || string(files[ko]) != "\x7fELF, a module" {
			t.Errorf("the module in it is %q (%v)", files[ko], err)
		}
		if left, err := filepath.Glob(filepath.Join(o.Output, "*.log")); err != nil || left != nil {
			t.Errorf("left behind: %q (%v)", left, err)
		}
		first, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if path, err = pack(t.Context(), m, o, t.TempDir()); err != nil {
			t.Fatal(err)
		}
		if second, err := os.ReadFile(path); err != nil || string(second) != string(first) {
			t.Errorf("packed again it is another (%v)", err)
		}
	}
}
