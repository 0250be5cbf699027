// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// payloads are all compressions that rpmbuild of this age writes.
var payloads = []string{"w.ufdio", "w9.gzdio", "w9.bzdio", "w6.xzdio", "w6T2.xzdio", "w6.lzdio", "w3.zstdio"}

func open(t testing.TB, name string) *File {
	t.Helper()
	f, err := Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// snapshot describes a tree: kind, mode, links, content, target.
func snapshot(t testing.TB, root string) []string {
	t.Helper()
	var list []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		line := fmt.Sprintf("%s %v", name, st.Mode())
		switch {
		case st.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", b)
			ino := inode(st)
			if inodes[ino] == "" {
				inodes[ino] = name
			}
			line += " as " + inodes[ino]
		case st.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		list = append(list, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// rpm2cpio unpacks as people do by hand.
func rpm2cpio(t testing.TB, name, dir string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `rpm2cpio "$1" | cpio -id --quiet`, "sh", name)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpm2cpio: %v\n%s", err, out)
	}
}

// Real packages in every compression: the header as rpm sees it, the tree as cpio
// unpacks it, every digest right.
func TestRealPackages(t *testing.T) {
	for _, payload := range payloads {
		t.Run(payload, func(t *testing.T) {
			if testing.Short() && payload != "w6.xzdio" {
				t.Skip("one compression is enough for the quick loop")
			}
			source, binary := rpmbuild(t, payload)
			for _, name := range []string{source, binary} {
				f := open(t, name)
				if f.Source != (name == source) {
					t.Errorf("Source is %v for %s", f.Source, name)
				}
				checkDump(t, f, name)
				r, err := f.Verify(t.Context(), "")
				if err != nil || len(r.Verified) < 6 || len(r.Unverified) != 1 {
					t.Errorf("verify: %v\n%q\n%q", err, r.Verified, r.Unverified)
				}
				// The decoder is stopped early, and the digests are verified to the end.
				first := "data.txt"
				if !f.Source {
					first = "/boot/b"
				}
				if _, b, err := f.VerifyReading(t.Context(), "", first); err != nil || len(b) != 5 {
					t.Errorf("%s while verifying: %q, %v", first, b, err)
				}
				if got, err := f.ReadFiles(t.Context(), first); err != nil || len(got[first]) != 5 {
					t.Errorf("%s: %q, %v", first, got[first], err)
				}
				ours, theirs := t.TempDir(), t.TempDir()
				if err := f.Extract(t.Context(), ours, nil); err != nil {
					t.Fatal(err)
				}
				rpm2cpio(t, name, theirs)
				if a, b := snapshot(t, ours), snapshot(t, theirs); !slices.Equal(a, b) {
					t.Errorf("we unpack\n%s\ncpio unpacks\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
				}
				for _, e := range f.Files {
					if e.Flags&FileGhost != 0 {
						continue
					}
					st, err := os.Lstat(filepath.Join(ours, e.path))
					if err != nil {
						t.Fatal(err)
					}
					if e.Mode.IsRegular() && !st.ModTime().Equal(e.MTime) {
						t.Errorf("%s has time %v, want %v", e.Name, st.ModTime(), e.MTime)
					}
				}
			}
		})
	}
}

// checkDump compares the list of files with rpm -qp --dump.
func checkDump(t *testing.T, f *File, name string) {
	t.Helper()
	out, err := exec.Command("rpm", "--dbpath", t.TempDir(), "-qp", "--dump", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	var ours strings.Builder
	for _, e := range f.Files {
		mode := uint32(e.Mode.Perm())
		switch e.Mode.Type() {
		case 0:
			mode |= 0o100000
		case fs.ModeDir:
			mode |= 0o40000
		case fs.ModeSymlink:
			mode |= 0o120000
		}
		digest, link := e.Digest, e.Link
		if digest == "" {
			digest = strings.Repeat("0", 64)
		}
		if link == "" {
			link = "X"
		}
		fmt.Fprintf(&ours, "%s %d %d %s 0%o %s %s 0 0 0 %s\n", e.Name, e.Size, e.MTime.Unix(), digest, mode, e.User, e.Group, link)
	}
	theirs := strings.Split(string(out), "\n")
	for i, line := range strings.Split(ours.String(), "\n") {
		if i >= len(theirs) || line != theirs[i] {
			t.Errorf("we read\n%s\nrpm reads\n%s", line, theirs[min(i, len(theirs)-1)])
			break
		}
	}
}

func TestHeaderFacts(t *testing.T) {
	source, binary := rpmbuild(t, "w3.zstdio")
	s, b := open(t, source), open(t, binary)
	if got := s.NEVRA(); got != "kernel-sample-2:5.14.0-1.vz9.src" {
		t.Errorf("source is %s", got)
	}
	if got := b.NEVRA(); got != "kernel-sample-2:5.14.0-1.vz9.x86_64" {
		t.Errorf("binary is %s", got)
	}
	if got := b.SourceRPM(); got != filepath.Base(source) {
		t.Errorf("source RPM is %q", got)
	}
	if got := fmt.Sprint(s.Requires()[0]); got != "nothing-here >= 2" {
		t.Errorf("build requirement is %q", got)
	}
	var provides []string
	for _, p := range b.Provides() {
		provides = append(provides, p.String())
	}
	if !slices.Contains(provides, "kernel-uname-r = 5.14.0") {
		t.Errorf("provides %q", provides)
	}
	want := []Script{{"post", []string{"/bin/sh"}, "echo hello"}, {"preun", []string{"/bin/bash"}, "echo bye"}}
	if got := b.Scripts(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("scripts are %q", got)
	}
	if e, ok := b.Find("boot/vmlinuz"); !ok || e.Mode != 0o600 || e.Size != 588895 {
		t.Errorf("vmlinuz is %+v, %v", e, ok)
	}
}

func TestReadFilesAndSelection(t *testing.T) {
	_, binary := rpmbuild(t, "w6.xzdio")
	f := open(t, binary)
	// a is a hard link whose content is stored with another name.
	got, err := f.ReadFiles(t.Context(), "/boot/a", "boot/b", "/lib/modules/5/kernel/fs/m2.ko")
	if err != nil {
		t.Fatal(err)
	}
	if string(got["/boot/a"]) != "hard\n" || string(got["boot/b"]) != "hard\n" || string(got["/lib/modules/5/kernel/fs/m2.ko"]) != "1\n2\n" {
		t.Errorf("got %q", got)
	}
	for name, want := range map[string]string{
		"/boot/none": "does not exist", "/lib/modules/5/build": "symbolic link", "/boot/initramfs": "without content", "../etc/passwd": "does not exist",
	} {
		if _, err := f.ReadFiles(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	dir := filepath.Join(t.TempDir(), "new", "place")
	err = f.Extract(t.Context(), dir, func(name string) bool { return name == "/boot/a" || strings.HasSuffix(name, "/m7.ko") })
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range snapshot(t, dir) {
		names = append(names, strings.Fields(line)[0])
	}
	want := []string{"boot", "boot/a", "lib", "lib/modules", "lib/modules/5", "lib/modules/5/kernel", "lib/modules/5/kernel/fs", "lib/modules/5/kernel/fs/m7.ko"}
	if !slices.Equal(names, want) {
		t.Errorf("unpacked %q", names)
	}
	// A second package goes beside the first, but never over it.
	if err := f.Extract(t.Context(), dir, func(name string) bool { return strings.HasPrefix(name, "/boot/") && name != "/boot/a" }); err != nil {
		t.Error(err)
	}
	before := snapshot(t, dir)
	if err := f.Extract(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("unpacking over files: %v", err)
	}
	if !slices.Equal(before, snapshot(t, dir)) {
		t.Error("a refused unpacking changed the directory")
	}
}

// An earlier package's link must not lead a later one's files elsewhere.
func TestExtractNeverThroughALink(t *testing.T) {
	f := open(t, packet{format: 4, members: []member{{name: "/lib/passwd", mode: 0o100644, content: "x"}}}.write(t))
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "lib")); err != nil {
		t.Fatal(err)
	}
	if err := f.Extract(t.Context(), dir, nil); err == nil {
		t.Error("unpacked through a symbolic link")
	}
	if list, _ := os.ReadDir(outside); len(list) > 0 {
		t.Error("a file got outside")
	}
}

func TestCancel(t *testing.T) {
	_, binary := rpmbuild(t, "w6.xzdio")
	f := open(t, binary)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if err := f.Extract(ctx, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if list := snapshot(t, dir); len(list) > 0 {
		t.Errorf("left %q", list)
	}
}

// Formats that no rpm on this machine writes, read back.
func TestWrittenFormats(t *testing.T) {
	files := []member{
		{name: "/usr/src", mode: 0o040755},
		{name: "/usr/src/one", mode: 0o100644, content: "first", inode: 7, cpioOther: true},
		{name: "/usr/src/two", mode: 0o100640, content: "first", inode: 7},
		{name: "/usr/src/link", mode: 0o120777, content: "one"},
		{name: "/usr/src/ghost", mode: 0o100644, content: "", ghost: true},
		{name: "/usr/src/empty", mode: 0o100600},
	}
	for _, p := range []packet{
		{format: 3, members: files},
		{format: 4, members: files},
		{format: 4, members: files, compress: true},
		{format: 4, members: files, stripped: true},
		{format: 6, members: files, stripped: true, compress: true},
		{format: 6, members: files},
	} {
		t.Run(fmt.Sprintf("format %d stripped %v compressed %v", p.format, p.stripped, p.compress), func(t *testing.T) {
			f := open(t, p.write(t))
			r, err := f.Verify(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if p.format == 3 && !strings.Contains(fmt.Sprint(r.Unverified), "no digest of its own") {
				t.Errorf("a v3 header is not said to lack its digest: %q", r.Unverified)
			}
			dir := t.TempDir()
			if err := f.Extract(t.Context(), dir, nil); err != nil {
				t.Fatal(err)
			}
			want := []string{
				"usr drwxr-xr-x", "usr/src drwxr-xr-x", "usr/src/empty -rw-------  as usr/src/empty", "usr/src/link Lrwxrwxrwx -> one",
				"usr/src/one -rw-r--r-- 6669727374 as usr/src/one", "usr/src/two -rw-r--r-- 6669727374 as usr/src/one",
			}
			if got := snapshot(t, dir); !slices.Equal(got, want) {
				t.Errorf("got\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

func TestNotAnRPM(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, bytes.Repeat([]byte("linux"), 100), 0o644); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{name, t.TempDir(), pipe} {
		if _, err := Open(t.Context(), name); !errors.Is(err, ErrNotRPM) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
