// SPDX-License-Identifier: Apache-2.0

// Package packaging holds what makes ovzpatch's own packages, and the test of it.
package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The marker of the old locking appears when a release that locked directories is
// upgraded, and never else. The packages are built and installed for real, below a
// directory.
func TestMarkerOfTheOldLocking(t *testing.T) {
	if testing.Short() {
		t.Skip("builds packages")
	}
	for _, tool := range []string{"dpkg", "dpkg-deb", "rpm", "rpmbuild"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: install the packages dpkg and rpm", err)
		}
	}
	if os.Geteuid() != 0 {
		t.Fatal("dpkg and rpm install as root only, also below a directory: run this test as root")
	}
	out := t.TempDir()
	oldDeb, oldRPM := buildOld(t, out)
	build(t, "1.0", out)
	build(t, "1.1", out)
	find := func(pattern string) string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(out, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v %v", pattern, found, err)
		}
		return found[0]
	}
	deb10, deb11 := find("ovzpatch_1.0_*.deb"), find("ovzpatch_1.1_*.deb")
	rpm10, rpm11 := find("*/ovzpatch-1.0-1.*.rpm"), find("*/ovzpatch-1.1-1.*.rpm")
	for _, tc := range []struct {
		name     string
		packages []string // installed one after the other
		marker   bool
	}{
		{"deb, new", []string{deb10}, false},
		{"deb, from the old way", []string{oldDeb, deb10}, true},
		{"deb, again", []string{deb10, deb11}, false},
		{"deb, two upgrades and no reboot", []string{oldDeb, deb10, deb11}, true},
		{"rpm, new", []string{rpm10}, false},
		{"rpm, from the old way", []string{oldRPM, rpm10}, true},
		{"rpm, again", []string{rpm10, rpm11}, false},
		{"rpm, two upgrades and no reboot", []string{oldRPM, rpm10, rpm11}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			for _, p := range tc.packages {
				if strings.HasSuffix(p, ".deb") {
					installDeb(t, root, p)
				} else {
					run(t, "rpm", "--root", root, "--nodeps", "-U", p)
				}
			}
			if b, err := os.ReadFile(filepath.Join(root, "usr/bin/ovzpatch")); err != nil || string(b) != "a program\n" {
				t.Errorf("not installed: %q %v", b, err)
			}
			_, err := os.Stat(filepath.Join(root, "run/ovzpatch/old-locking"))
			if got := err == nil; got != tc.marker {
				t.Errorf("marker there: %v, want %v", got, tc.marker)
			}
		})
	}
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// build makes our packages with a stand-in for the program: they are about what the
// scripts do.
func build(t *testing.T, version, out string) {
	t.Helper()
	tree := t.TempDir()
	write(t, filepath.Join(tree, "usr/bin/ovzpatch"), "a program\n", 0o755)
	run(t, "./build.sh", tree, version, out)
}

// buildOld makes packages as of a release that locked directories: without our scripts,
// and without the file that says how it locks.
func buildOld(t *testing.T, out string) (deb, rpm string) {
	t.Helper()
	tree := t.TempDir()
	write(t, filepath.Join(tree, "usr/bin/ovzpatch"), "a program\n", 0o755)
	spec := filepath.Join(t.TempDir(), "old.spec")
	write(t, spec, "Name: ovzpatch\nVersion: 0.9\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\n%install\ncp -a "+
		tree+"/. %{buildroot}\n%files\n/usr/*\n", 0o644)
	run(t, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+t.TempDir(), "--define", "_rpmdir "+out, spec)
	write(t, filepath.Join(tree, "DEBIAN/control"),
		"Package: ovzpatch\nVersion: 0.9\nArchitecture: all\nMaintainer: x <x@localhost>\nDescription: x\n", 0o644)
	deb = filepath.Join(out, "old.deb")
	run(t, "dpkg-deb", "--root-owner-group", "--build", tree, deb)
	return deb, filepath.Join(out, "noarch/ovzpatch-0.9-1.noarch.rpm")
}

func installDeb(t *testing.T, root, deb string) {
	t.Helper()
	admin := filepath.Join(root, "var/lib/dpkg")
	for _, dir := range []string{"updates", "info", "triggers"} {
		if err := os.MkdirAll(filepath.Join(admin, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"status", "available"} {
		f, err := os.OpenFile(filepath.Join(admin, file), os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	// The scripts run outside of the root, with its path in DPKG_ROOT: it has no shell.
	run(t, "dpkg", "--root="+root, "--force-script-chrootless", "--force-not-root", "--log=/dev/null", "-i", deb)
}

// What make install writes, make uninstall takes away.
func TestUninstallTakesAllAway(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything")
	}
	dir := t.TempDir()
	files := func() (found []string) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				found = append(found, strings.TrimPrefix(path, dir))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	run(t, "make", "-C", "..", "install", "DESTDIR="+dir, "PREFIX=/usr")
	for _, name := range []string{"/usr/bin/ovzpatch", "/usr/share/man/man1/ovzpatch.1", "/usr/share/doc/ovzpatch/LICENSE", "/usr/lib/ovzpatch/guest/386/umounttest-old"} {
		if !slices.Contains(files(), name) {
			t.Errorf("%s was not installed", name)
		}
	}
	run(t, "make", "-C", "..", "uninstall", "DESTDIR="+dir, "PREFIX=/usr")
	if left := files(); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}
