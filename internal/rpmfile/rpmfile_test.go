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

// Packages that lie. None may leave anything behind.
func TestHostilePackages(t *testing.T) {
	file := func(name string) member { return member{name: name, mode: 0o100644, content: "x"} }
	source := func(m ...member) packet { return packet{format: 4, source: true, members: m} }
	binary := func(m ...member) packet { return packet{format: 4, members: m} }
	for name, c := range map[string]struct {
		p    packet
		want string
	}{
		"source with a directory part": {source(file("../x")), "bare name"},
		"source with dots":             {source(file("..")), "lead out"},
		"source with a link":           {source(member{name: "x", mode: 0o120777, content: "/etc"}), "symbolic link"},
		"source with a device":         {source(member{name: "x", mode: 0o060644}), "device"},
		"source with a directory":      {source(member{name: "x", mode: 0o040755}), "directory"},
		"source with a name twice":     {source(file("x"), file("x")), "twice"},
		"source with hard links": {source(member{name: "x", mode: 0o100644, content: "x", inode: 3, cpioOther: true},
			member{name: "y", mode: 0o100644, content: "x", inode: 3}), "hard link"},
		"climbing":          {binary(file("/usr/../../x")), "lead out"},
		"empty part":        {binary(file("/usr//x")), "lead out"},
		"device":            {binary(member{name: "/dev/sda", mode: 0o060644}), "only root can unpack"},
		"pipe":              {binary(member{name: "/pipe", mode: 0o010644}), "only root can unpack"},
		"under a link":      {binary(member{name: "/a", mode: 0o120777, content: "/tmp"}, file("/a/b")), "exists"},
		"under a file":      {binary(file("/a"), file("/a/b")), "file exists"},
		"other name inside": {binary(member{name: "/a", mode: 0o100644, content: "x", cpioName: "./b"}), "not in the package's list"},
		"climbing inside":   {binary(member{name: "/a", mode: 0o100644, content: "x", cpioName: "../b"}), "lead out"},
		"other kind inside": {binary(member{name: "/a", mode: 0o100644, content: "x", cpioMode: 0o120777}), "is a symbolic link here"},
		"longer inside":     {binary(member{name: "/a", mode: 0o100644, content: "x", cpioOther: true, cpioData: "xy"}), "2 bytes here"},
		"other link inside": {binary(member{name: "/a", mode: 0o120777, content: "one", cpioOther: true, cpioData: "two"}), "differs in content"},
		"digest wrong":      {binary(member{name: "/a", mode: 0o100644, content: "x", cpioOther: true, cpioData: "y"}), "is damaged"},
		"missing inside":    {binary(file("/a"), member{name: "/b", mode: 0o100644, content: "x", cpioAbsent: true}), "not in the archive"},
		"twice inside":      {binary(file("/a"), member{name: "/b", mode: 0o100644, content: "x", cpioName: "./a"}), "twice"},
		"more after":        {packet{format: 4, members: []member{file("/a")}, after: []byte("more")}, "goes on after"},
		"no digests":        {packet{format: 4, members: []member{file("/a")}, noDigests: true}, "no digest"},
		"unknown signature": {packet{format: 4, members: []member{file("/a")}, signature: []tag{{998, typeInt32, []uint32{1}}}}, "unknown tag 998"},
		"odd signature":     {packet{format: 4, members: []member{file("/a")}, signature: []tag{{sigRSA, typeBin, []byte("not one at all")}}}, "not an OpenPGP signature"},
		"aligned": {packet{format: 6, members: []member{file("/a")}, extra: []tag{
			{tagRequireName, typeStringArray, []string{"rpmlib(PayloadAlignment)"}},
		}}, "aligned"},
		"other archive": {packet{format: 4, members: []member{file("/a")}, extra: []tag{{TagPayloadFormat, typeString, "drpm"}}}, `"drpm"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			f, err := Open(t.Context(), c.p.write(t))
			if err == nil {
				defer f.Close()
				if err = f.Extract(t.Context(), dir, nil); err == nil {
					_, err = f.Verify(t.Context(), "")
				} else if exists(dir) {
					t.Errorf("left %q", snapshot(t, dir))
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	big := strings.Repeat("0", 2<<20)
	p := packet{format: 4, compress: true, members: []member{{name: "/a", mode: 0o100644, content: big}, {name: "/b", mode: 0o100644, content: big}}}
	name := p.write(t)
	for what, limits := range map[string]Limits{
		"files":     {Header: 1 << 20, Files: 1, Unpacked: 1 << 30, Ratio: 1000},
		"allowed":   {Header: 100, Files: 9, Unpacked: 1 << 30, Ratio: 1000},
		"more than": {Header: 1 << 20, Files: 9, Unpacked: 3 << 20, Ratio: 1000},
	} {
		if _, err := OpenWithin(t.Context(), name, limits); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: got %v, want %q", limits, err, what)
		}
	}
	// A bomb: a header that announces terabytes in a payload of a few bytes.
	f := open(t, packet{format: 6, members: []member{{name: "/a", mode: 0o100644, content: "x"}}}.write(t))
	f.Files[0].Size = 60 << 30
	if _, err := f.Verify(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "1000 times as much") {
		t.Errorf("got %v", err)
	}
}

// Every single damaged byte is noticed, and nothing is unpacked.
func TestEveryFlippedByteIsNoticed(t *testing.T) {
	members := []member{
		{name: "/boot/vmlinuz", mode: 0o100644, content: "kernel"},
		{name: "/boot/System.map", mode: 0o100600, content: strings.Repeat("map ", 30)},
		{name: "/lib/build", mode: 0o120777, content: "/usr/src"},
	}
	for _, p := range []packet{
		{format: 3, members: members},
		{format: 4, members: members, compress: true, signature: []tag{{sigReservedSpace, typeBin, make([]byte, 32)}}},
		{format: 6, members: members, stripped: true, compress: true},
	} {
		whole := p.bytes(t)
		dir := filepath.Join(t.TempDir(), "dir")
		name := filepath.Join(t.TempDir(), "flipped.rpm")
		masks := []byte{0x01, 0x80}
		if testing.Short() {
			masks = masks[:1]
		}
		for i := range whole {
			for _, mask := range masks {
				if harmless(p.format, i) {
					continue
				}
				flipped := bytes.Clone(whole)
				flipped[i] ^= mask
				rewrite(t, name, flipped)
				if unpacks(t, name, dir) {
					t.Errorf("format %d: byte %d of %d, flipped by %#x, goes unnoticed", p.format, i, len(whole), mask)
				}
				if exists(dir) {
					t.Fatalf("format %d: byte %d flipped, and %q is left", p.format, i, snapshot(t, dir))
				}
			}
		}
		for _, n := range []int{0, 4, 95, 96, 200, len(whole) / 2, len(whole) - 1} {
			rewrite(t, name, whole[:n])
			if unpacks(t, name, dir) {
				t.Errorf("format %d: the first %d of %d bytes pass for all", p.format, n, len(whole))
			}
		}
	}
}

// harmless are bytes of the lead that rpm neither reads nor always writes the same.
func harmless(format, i int) bool {
	// Machine and system: 0, or what rpm wrote before 2024. Before rpm 4 the end was left
	// uninitialized.
	return i == 9 || i == 77 || format == 3 && i >= 80 && i < leadLength
}

// rewrite makes the file anew: truncating one makes ext4 wait for the disk.
func rewrite(t *testing.T, name string, content []byte) {
	t.Helper()
	os.Remove(name)
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// unpacks tells whether a package passes everything, signatures included.
func unpacks(t *testing.T, name, dir string) bool {
	f, err := Open(t.Context(), name)
	if err != nil {
		return false
	}
	defer f.Close()
	if err := f.Extract(t.Context(), dir, nil); err != nil {
		return false
	}
	_, err = f.Verify(t.Context(), "")
	os.RemoveAll(dir)
	return err == nil
}

// The same on a real package, at a sample of places, and each one of its lead and
// signature header.
func TestFlippedRealPackage(t *testing.T) {
	_, binary := rpmbuild(t, "w6.xzdio")
	whole, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	header := int(open(t, binary).headerStart)
	// The last byte of the region's size, which stands, negative, as the trailer's offset.
	size := signatureTrailer(whole) + 11
	name := filepath.Join(t.TempDir(), "flipped.rpm")
	step := 997
	if testing.Short() {
		step = 9973
	}
	for i := 0; i < len(whole); i++ {
		if i > header {
			i += step
		}
		if i >= len(whole) {
			break
		}
		flipped := bytes.Clone(whole)
		flipped[i] ^= 0x10
		if i == size && flipped[i] > whole[i] {
			continue // a smaller region is what programs that add a signature leave
		}
		rewrite(t, name, flipped)
		if unpacks(t, name, filepath.Join(t.TempDir(), "dir")) {
			t.Errorf("byte %d of %d flipped goes unnoticed", i, len(whole))
		}
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
