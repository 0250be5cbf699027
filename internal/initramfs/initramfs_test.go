// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"ovzpatch/internal/cache"
)

// archive writes records as a newc archive and returns its path.
func archive(t *testing.T, records ...cpio.Record) string {
	t.Helper()
	var b bytes.Buffer
	w := cpio.Newc.Writer(&b)
	if err := cpio.WriteRecords(w, records); err != nil {
		t.Fatal(err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	return file(t, b.String())
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// base looks like what u-root's command writes.
func base(t *testing.T) string {
	bb := cpio.StaticFile("bbin/bb", "busybox", 0o755)
	bb.MTime, bb.UID, bb.Ino = 1234, 1000, 77
	return archive(t,
		cpio.Directory("bbin", 0o755), bb,
		cpio.Symlink("bbin/umount", "bb"), cpio.Symlink("bbin/gosh", "bb"),
		cpio.Directory("bin", 0o755), cpio.Symlink("bin/sh", "../bbin/gosh"),
		cpio.StaticFile("init", "u-root's", 0o755),
	)
}

// records reads what the kernel would unpack, as "mode name [content]".
func records(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := cpio.ReadAllRecords(cpio.Newc.Reader(f))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range all {
		if r.MTime != 0 || r.UID != 0 || r.GID != 0 || r.Major != 0 || r.Minor != 0 {
			t.Errorf("%s carries something of this machine: %v", r.Name, r.Info)
		}
		line := r.Info.Name
		switch r.Mode & cpio.S_IFMT {
		case cpio.S_IFREG, cpio.S_IFLNK:
			b, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
			if err != nil {
				t.Fatal(err)
			}
			line += " " + strings.ReplaceAll(string(b), "\n", ";")
		case cpio.S_IFDIR:
			line += "/"
		case cpio.S_IFCHR:
			line += " device"
		}
		if r.Mode&0o111 != 0 && r.Mode&cpio.S_IFMT == cpio.S_IFREG {
			line += " executable"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestBuild(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	im := Image{
		Base: base(t), Init: file(t, "umounttest"),
		Modules: map[string]Content{
			"/lib/modules/6.1/extra/lustreprobe.ko": {Path: file(t, "probe")},
			"/lib/modules/6.1/kernel/lib/crc.ko":    {Data: []byte("crc")},
		},
		Load:  []string{"/lib/modules/6.1/kernel/lib/crc.ko", "/lib/modules/6.1/extra/lustreprobe.ko"},
		Files: map[string]Content{"/bin/tool": {Data: []byte("t"), Executable: true}, "/etc/empty": {}},
	}
	a, err := Build(c, im)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(a.Path)
	if err != nil || int64(len(b)) != a.Size {
		t.Errorf("%d bytes, size %d, %v", len(b), a.Size, err)
	}
	got := records(t, a.Path)
	want := []string{
		"bbin/", "bbin/bb busybox executable", "bbin/gosh bb", "bbin/umount bb",
		"bin/", "bin/gosh ../bbin/gosh", "bin/sh ../bbin/gosh", "bin/tool t executable", "bin/umount ../bbin/umount",
		"dev/", "dev/console device", "dev/full device", "dev/kmsg device", "dev/null device", "dev/random device",
		"dev/tty device", "dev/ttyS0 device", "dev/ttyS1 device", "dev/urandom device", "dev/zero device",
		"etc/", "etc/empty ", "etc/umounttest/", "etc/umounttest/modules /lib/modules/6.1/kernel/lib/crc.ko;/lib/modules/6.1/extra/lustreprobe.ko;",
		"init umounttest executable",
		"lib/", "lib/modules/", "lib/modules/6.1/", "lib/modules/6.1/extra/", "lib/modules/6.1/extra/lustreprobe.ko probe",
		"lib/modules/6.1/kernel/", "lib/modules/6.1/kernel/lib/", "lib/modules/6.1/kernel/lib/crc.ko crc",
		"mnt/", "proc/", "root/", "run/", "sys/", "tmp/",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i := range 5 {
		other, err := Build(cache.Cache{Dir: t.TempDir()}, im)
		if err != nil {
			t.Fatal(err)
		}
		if ob, _ := os.ReadFile(other.Path); !bytes.Equal(b, ob) {
			t.Fatalf("build %d gave other bytes", i)
		}
	}
}

// The cache must answer for the same content, and only for that.
func TestBuildCached(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	im := func() Image {
		return Image{Base: base(t), Init: file(t, "i"), Modules: map[string]Content{"/m.ko": {Path: file(t, "m")}}}
	}
	build := func(change func(*Image)) string {
		t.Helper()
		i := im()
		change(&i)
		a, err := Build(c, i)
		if err != nil {
			t.Fatal(err)
		}
		return a.Path
	}
	seen := map[string]string{build(func(*Image) {}): "the first"}
	if p := build(func(*Image) {}); seen[p] == "" {
		t.Error("the same content under other paths was built again")
	}
	changes := map[string]func(*Image){
		"init":       func(i *Image) { i.Init = file(t, "j") },
		"base":       func(i *Image) { i.Base = archive(t) },
		"module":     func(i *Image) { i.Modules["/m.ko"] = Content{Data: []byte("n")} },
		"its path":   func(i *Image) { i.Modules = map[string]Content{"/n.ko": i.Modules["/m.ko"]} },
		"executable": func(i *Image) { m := i.Modules["/m.ko"]; m.Executable = true; i.Modules["/m.ko"] = m },
		"load":       func(i *Image) { i.Load = []string{"/m.ko"} },
		"file":       func(i *Image) { i.Files = map[string]Content{"/f": {}} },
	}
	for name, change := range changes {
		p := build(change)
		if seen[p] != "" {
			t.Errorf("a change of %s gave the archive of %s", name, seen[p])
		}
		seen[p] = name
	}
}

func TestBuildRefuses(t *testing.T) {
	hard := cpio.StaticFile("a", "x", 0o644)
	hard.NLink = 2
	good := func() Image { return Image{Base: base(t), Init: file(t, "i")} }
	tests := map[string]struct {
		change func(*Image)
		says   string
	}{
		"no base":         {func(i *Image) { i.Base = "/no/such/base" }, "/no/such/base"},
		"base no archive": {func(i *Image) { i.Base = file(t, "070701 not at all") }, "read base archive"},
		"base cut short":  {func(i *Image) { i.Base = cutShort(t, base(t)) }, "unexpected EOF"},
		"no init":         {func(i *Image) { i.Init = "/no/such/init" }, "/no/such/init"},
		"relative path":   {func(i *Image) { i.Files = map[string]Content{"etc/x": {}} }, "etc/x"},
		"path upwards":    {func(i *Image) { i.Files = map[string]Content{"/../x": {}} }, "/../x"},
		"file in a file":  {func(i *Image) { i.Files = map[string]Content{"/init/x": {}} }, "/init is not a directory"},
		"unknown module":  {func(i *Image) { i.Load = []string{"/x.ko"} }, "/x.ko"},
		"hard links":      {func(i *Image) { i.Base = archive(t, hard) }, "hard links"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := cache.Cache{Dir: t.TempDir()}
			im := good()
			tt.change(&im)
			_, err := Build(c, im)
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), "build initramfs: ") {
				t.Errorf("got %v, want something about %q", err, tt.says)
			}
			left, err := filepath.Glob(filepath.Join(c.Dir, "*", "*"))
			if err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// cutShort copies an archive up to the end of a record, as a full disk leaves it.
func cutShort(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, string(b[:bytes.LastIndex(b, []byte("070701"))]))
}
