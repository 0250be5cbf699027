// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/source"
)

type silent struct {
	job.Quiet
	t *testing.T
}

func (s silent) Say(format string, args ...any) { s.t.Errorf("said: "+format, args...) }

// What is kept of a tarball is what was read of it; another tarball, other files, and what was
// damaged are read anew.
func TestReadFilesKeepsThem(t *testing.T) {
	dir := t.TempDir()
	pack := func(text string) *source.Source {
		t.Helper()
		for name, data := range map[string]string{"Makefile": text, "include/a.h": "a", "init/main.c": "m"} {
			path := filepath.Join(dir, "linux-1", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tarball := filepath.Join(dir, "linux.tar.gz")
		if out, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "--sort=name", "-czf", tarball, "linux-1").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		s, err := source.Open(tarball)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	r := Request{Cache: cache.Cache{Dir: filepath.Join(t.TempDir(), "cache")}, Report: silent{t: t}}
	read := func(s *source.Source) *source.Files {
		t.Helper()
		files, err := r.readFiles(t.Context(), s, []string{"Makefile", "init/main.c"}, []string{"include/**.h"})
		if err != nil {
			t.Fatal(err)
		}
		if err := files.complete(); err != nil {
			t.Fatal(err)
		}
		return files.Files
	}
	kept := func() []string {
		all, _ := filepath.Glob(filepath.Join(r.Cache.Dir, keptKind, "*", keptName))
		return all
	}
	s := pack("one")
	first := read(s)
	if first.Top != "linux-1" || len(first.Files) != 3 || len(kept()) != 1 {
		t.Fatalf("%+v, kept %v", first, kept())
	}
	if again := read(s); !reflect.DeepEqual(first, again) {
		t.Errorf("first %+v, then %+v", first, again)
	}
	// That it comes from the cache shows where the cache is made to say something else.
	if err := writeKept(kept()[0], &source.Files{Top: "x", Files: map[string]source.File{}}, isHeader); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(kept()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := cache.Admit(filepath.Dir(kept()[0]), keptName, cache.SHA256(text)); err != nil {
		t.Fatal(err)
	}
	if again := read(s); again.Top != "x" {
		t.Errorf("%+v was not read from the cache", again)
	}
	damageKept(t, &r.Cache, func() string { return filepath.Dir(kept()[0]) }, first, func() *source.Files { return read(s) })
	if other := read(pack("two")); string(other.Files["Makefile"].Data) != "two" || len(kept()) != 2 {
		t.Errorf("%+v, kept %v", other, kept())
	}
}

// damageKept damages what c keeps in dir: it is told once, and kept anew.
func damageKept(t *testing.T, c *cache.Cache, dir func() string, first *source.Files, read func() *source.Files) {
	t.Helper()
	damages := map[string]func(file string) error{
		"no archive": func(file string) error { return os.WriteFile(file, []byte("damaged"), 0o600) },
		"another byte of a file in it": func(file string) error {
			data, err := os.ReadFile(file)
			if err == nil {
				data[2*512] ^= 1 // behind two headers
				err = os.WriteFile(file, data, 0o600)
			}
			return err
		},
		"a pipe": func(file string) error { return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)) },
	}
	for _, damage := range []string{"no archive", "another byte of a file in it", "a pipe"} {
		for _, name := range []string{keptName, keptHeaders} {
			said := 0
			c.Say = func(string, ...any) { said++ }
			file := filepath.Join(dir(), name)
			if err := damages[damage](file); err != nil {
				t.Fatal(err)
			}
			if again := read(); !reflect.DeepEqual(first, again) || said != 1 {
				t.Errorf("%s, %s: %+v, said %d times", name, damage, again, said)
			}
			c.Say = t.Errorf
			if again := read(); !reflect.DeepEqual(first, again) {
				t.Errorf("%s, %s: then %+v", name, damage, again)
			}
		}
	}
}
