// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/job"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/source"
)

// entry is one member of a tarball.
type entry struct {
	name string
	data string
	kind byte
}

func tarball(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		kind := e.kind
		if kind == 0 {
			kind = tar.TypeReg
		}
		if err := w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.data)), Typeflag: kind, Linkname: map[bool]string{true: "l/bad.c"}[kind == tar.TypeLink || kind == tar.TypeSymlink]}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t *testing.T, data []byte) *source.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := source.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadFilesOfATarball(t *testing.T) {
	s := open(t, tarball(t, entry{"linux-6.1/", "", tar.TypeDir}, entry{"linux-6.1/Makefile", "VERSION = 6\n", 0}, entry{"linux-6.1/fs/namespace.c", "int x;\n", 0}))
	if s.Kind != source.Tarball {
		t.Fatalf("kind %s", s.Kind)
	}
	f, err := s.ReadFiles(t.Context(), []string{"Makefile", "fs/namespace.c", "not/there"})
	if err != nil {
		t.Fatal(err)
	}
	if f.Top != "linux-6.1" || len(f.Files) != 2 || string(f.Files["fs/namespace.c"].Data) != "int x;\n" {
		t.Errorf("got %+v", f)
	}
}

// A source is opened once: once it is open nobody asks for its path.
func TestASourceIsOpenedOnce(t *testing.T) {
	data := tarball(t, entry{"l/Makefile", "VERSION = 6\n", 0}, entry{"l/fs/namespace.c", "int x;\n", 0})
	s := open(t, data)
	defer s.Close()
	if err := os.Remove(s.Path); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fs/namespace.c", "Makefile"} {
		if f, err := s.ReadFiles(t.Context(), []string{name}); err != nil || len(f.Files[name].Data) == 0 {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if digest, err := s.Digest(); err != nil || digest != fmt.Sprintf("%x", sha256.Sum256(data)) {
		t.Errorf("digest %s, %v", digest, err)
	}
}

// What few sources have is taken along, wherever it is.
func TestReadFilesInPassing(t *testing.T) {
	before := entry{"l/Makefile.rhelver", "RHEL_MAJOR = 9\n", 0}
	wanted := entry{"l/Makefile", "VERSION = 5\n", 0}
	for name, tt := range map[string]struct {
		tarball []byte
		got     int
	}{
		"before the last": {tarball(t, before, wanted), 2},
		"after the last":  {tarball(t, wanted, before), 2},
		"none":            {tarball(t, wanted), 1},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := open(t, tt.tarball).ReadFiles(t.Context(), []string{"Makefile"}, "Makefile.rhelver")
			if err != nil || len(f.Files) != tt.got || string(f.Files["Makefile"].Data) != wanted.data {
				t.Errorf("got %+v, %v", f, err)
			}
		})
	}
	dir := t.TempDir()
	for _, e := range []entry{before, wanted} {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(e.name)), []byte(e.data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := source.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := s.ReadFiles(t.Context(), []string{"Makefile"}, "Makefile.rhelver", "not/there"); err != nil || len(f.Files) != 2 {
		t.Errorf("a tree: got %+v, %v", f, err)
	}
}

// tar unpacks the last of several entries with one name, also where the last is a link, and through
// links in place of directories. What check judges must be what is built.
func TestWhatTarUnpacksOtherwise(t *testing.T) {
	const good, bad = "int good;\n", "int bad;\n"
	makefile := entry{"l/Makefile", "VERSION = 6\n", 0}
	file := entry{"l/fs/namespace.c", good, 0}
	for name, tt := range map[string]struct {
		more []entry
		want string // of the error; "" for none
	}{
		"twice":                         {[]entry{file, {"l/fs/namespace.c", bad, 0}}, "l/fs/namespace.c twice"},
		"twice, with a dot":             {[]entry{file, {"./l/fs/namespace.c", bad, 0}}, "l/fs/namespace.c twice"},
		"twice, by a way around":        {[]entry{file, {"l/./fs//namespace.c", bad, 0}}, "l/fs/namespace.c twice"},
		"twice, from the root":          {[]entry{file, {"/l/fs/namespace.c", bad, 0}}, "l/fs/namespace.c twice"},
		"then a symbolic link":          {[]entry{file, {"l/fs/namespace.c", "", tar.TypeSymlink}}, "l/fs/namespace.c twice"},
		"then a hard link":              {[]entry{file, {"l/fs/namespace.c", "", tar.TypeLink}}, "l/fs/namespace.c twice"},
		"then a directory":              {[]entry{file, {"l/fs/namespace.c/", "", tar.TypeDir}}, "l/fs/namespace.c twice"},
		"a link first":                  {[]entry{{"l/fs/namespace.c", "", tar.TypeSymlink}, file}, "l/fs/namespace.c is a link"},
		"a link only":                   {[]entry{{"l/fs/namespace.c", "", tar.TypeLink}}, "l/fs/namespace.c is a link"},
		"a pipe":                        {[]entry{{"l/fs/namespace.c", "", tar.TypeFifo}}, "no plain file"},
		"its directory is a link":       {[]entry{{"l/fs", "", tar.TypeSymlink}, file}, "below l/fs,"},
		"its directory is a link later": {[]entry{{"l/fs/", "", tar.TypeDir}, file, {"l/fs", "", tar.TypeSymlink}}, "l/fs twice"},
		"a header twice":                {[]entry{file, {"l/include/a.h", good, 0}, {"l/include/a.h", bad, 0}}, "l/include/a.h twice"},
		"a second top at the end":       {[]entry{file, {"other/fs/namespace.c", bad, 0}}, "side by side"},
		"a directory twice":             {[]entry{{"l/fs/", "", tar.TypeDir}, file, {"l/fs/", "", tar.TypeDir}}, ""},
		"a link beside it":              {[]entry{{"l/include/asm", "", tar.TypeSymlink}, file, {"l/include/z.h", "", tar.TypeSymlink}}, ""},
		"another file twice":            {[]entry{file, {"l/README", good, 0}, {"l/README", bad, 0}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := open(t, tarball(t, append([]entry{makefile}, tt.more...)...)).ReadFiles(t.Context(), []string{"Makefile", "fs/namespace.c"}, "include/**.h")
			switch {
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %+v, %v, want %q", f, err, tt.want)
			case tt.want == "" && (err != nil || string(f.Files["fs/namespace.c"].Data) != good):
				t.Errorf("got %+v, %v", f, err)
			}
		})
	}
}

func TestReadFilesOfATreeStaysInIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "Makefile")); err != nil {
		t.Fatal(err)
	}
	s, err := source.Open(dir)
	if err != nil || s.Kind != source.Tree {
		t.Fatal(s, err)
	}
	if f, err := s.ReadFiles(t.Context(), []string{"Makefile"}); err == nil {
		t.Errorf("a link out of the tree was followed: %+v", f)
	}
}

func TestBadSources(t *testing.T) {
	good := tarball(t, entry{"l/Makefile", string(make([]byte, 1<<16)), 0}, entry{"l/z", "z", 0})
	for name, tt := range map[string]struct {
		data []byte
		err  error
	}{
		"cut short":     {good[:len(good)/2], source.ErrTruncated},
		"two tops":      {tarball(t, entry{"a/Makefile", "", 0}, entry{"b/x", "", 0}), source.ErrUnknown},
		"empty archive": {tarball(t), source.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := open(t, tt.data).ReadFiles(t.Context(), []string{"z", "x"}); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
	for name, data := range map[string][]byte{"text": []byte("hello\n"), "empty": nil} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := source.Open(path); !errors.Is(err, source.ErrUnknown) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestReadFilesCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, tarball(t, entry{"l/Makefile", "", 0})).ReadFiles(ctx, []string{"x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPackGivesTheTreeBack(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"Makefile": "VERSION = 6\n", "fs/namespace.c": "int x;\n", ".git/config": "no\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := source.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var packed [4][]byte
	for i := range packed {
		path := filepath.Join(t.TempDir(), []string{"packed.tar.zst", "packed.tar.gz"}[i/2])
		if err := s.Pack(t.Context(), path, "linux-6", nil); err != nil {
			t.Fatal(err)
		}
		if packed[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(packed[0], packed[1]) || !bytes.Equal(packed[2], packed[3]) {
		t.Error("the same tree gives two different tarballs")
	}
	if !bytes.HasPrefix(packed[2], []byte{0x1f, 0x8b}) {
		t.Error("packed.tar.gz is not compressed by gzip")
	}
	f, err := open(t, packed[0]).ReadFiles(t.Context(), []string{"Makefile", "fs/namespace.c", ".git/config"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for n := range f.Files {
		names = append(names, n)
	}
	slices.Sort(names)
	if f.Top != "linux-6" || !slices.Equal(names, []string{"Makefile", "fs/namespace.c"}) {
		t.Errorf("top %s, files %v", f.Top, names)
	}
	if err := os.MkdirAll(filepath.Join(dir, "include/config"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Pack(t.Context(), filepath.Join(t.TempDir(), "x"), "linux-6", nil); !errors.Is(err, source.ErrBuiltIn) {
		t.Errorf("a tree that was built in: %v", err)
	}
}

// What lies in the tree of earlier results comes into no tarball, nor does the time at which it was made.
func TestPackLeavesResultsOut(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Makefile", "out2", "*", "fs/out"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := source.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{filepath.Join(dir, "out"), filepath.Join(dir, "*"), filepath.Join(dir, "nothing/yet"), t.TempDir()}
	pack := func(name string) []byte {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := s.Pack(t.Context(), path, "linux-6", outputs); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, name := range []string{"p.tar.gz", "p.tar.zst"} {
		before := pack(name)
		if err := os.MkdirAll(filepath.Join(dir, "out/deep"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "out/deep/kernel.rpm"), []byte("rpm"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, time.Now(), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, pack(name)) {
			t.Errorf("%s: a result makes it another tarball", name)
		}
		f, err := open(t, before).ReadFiles(t.Context(), []string{"Makefile", "out2", "*", "fs/out"})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(f.Files)); f.Top != "linux-6" || !slices.Equal(got, []string{"Makefile", "fs/out", "out2"}) {
			t.Errorf("%s: top %s, files %q", name, f.Top, got)
		}
	}
	err = s.Pack(t.Context(), filepath.Join(t.TempDir(), "x"), "linux-6", []string{dir + "/fs/.."})
	if !errors.Is(err, job.ErrRequest) {
		t.Errorf("results among the files: %v", err)
	}
}

// A file that is too large is named, and is no damage.
func TestAFileThatIsTooLarge(t *testing.T) {
	large := strings.Repeat("x", 16<<20+1)
	_, err := open(t, tarball(t, entry{"l/Makefile", large, tar.TypeReg})).ReadFiles(t.Context(), []string{"Makefile"})
	if !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "l/Makefile is larger than 16 MiB") || errors.Is(err, source.ErrTruncated) {
		t.Errorf("in a tarball: %v", err)
	}
	dir := t.TempDir()
	for _, name := range []string{"Makefile", "fs/namespace.c"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(large), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := source.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadFiles(t.Context(), []string{"Makefile"}); !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "Makefile is larger") {
		t.Errorf("in a tree: %v", err)
	}
}

// A pipe in a tree is not waited for, also not behind a link.
func TestATreeWithAPipe(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link to one": func(path string) error {
			return errors.Join(syscall.Mkfifo(filepath.Join(filepath.Dir(path), "pipe"), 0o600), os.Symlink("pipe", path))
		},
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := put(filepath.Join(dir, "Makefile")); err != nil {
				t.Fatal(err)
			}
			s, err := source.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := s.ReadFiles(t.Context(), []string{"Makefile"})
				done <- err
			}()
			select {
			case err := <-done:
				if !errors.Is(err, plainfile.ErrNotPlain) || !strings.Contains(err.Error(), "Makefile") {
					t.Errorf("got %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it waits for the pipe")
			}
		})
	}
}
