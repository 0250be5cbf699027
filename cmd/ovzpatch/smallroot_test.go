// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/tool"

	"golang.org/x/sys/unix"
)

// smallRoot is the directory of a system that is just large enough to install kernels in.
type smallRoot struct{ dir string }

// scriptPrograms are what the scripts of kernel packages, and of kernel-install, call.
var scriptPrograms = []string{
	"sh", "cat", "chmod", "chown", "cp", "depmod", "grep", "install", "ln", "ls", "mkdir",
	"mktemp", "mountpoint", "mv", "rm", "rmdir", "sed", "sort", "stat", "tr", "uname",
}

// newSmallRoot makes a root of programs of this machine and the libraries they need.
func newSmallRoot(t *testing.T, programs ...string) *smallRoot {
	t.Helper()
	r := &smallRoot{t.TempDir()}
	for _, d := range []string{
		"usr/bin", "usr/sbin", "usr/lib/modules", "usr/lib64", "boot", "dev", "etc", "proc", "root", "sys", "tmp", "var/lib/rpm", "var/tmp",
	} {
		r.must(t, os.MkdirAll(r.path(d), 0o755))
	}
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		r.must(t, os.Symlink("usr/"+d, r.path(d)))
	}
	r.must(t, unix.Mknod(r.path("dev/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	for _, name := range append(slices.Clone(scriptPrograms), programs...) {
		r.program(t, name)
	}
	return r
}

func (r *smallRoot) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *smallRoot) path(name string) string { return filepath.Join(r.dir, name) }

func (r *smallRoot) write(t *testing.T, name, text string, mode fs.FileMode) {
	t.Helper()
	r.must(t, os.MkdirAll(filepath.Dir(r.path(name)), 0o755))
	r.must(t, os.WriteFile(r.path(name), []byte(text), mode))
}

// program copies a program to the path that it has here, and its libraries.
func (r *smallRoot) program(t *testing.T, name string) {
	t.Helper()
	path, err := tool.Find(name)
	r.must(t, err)
	r.file(t, path)
	r.libraries(t, path)
}

// file copies one file of this machine to the same path; links are followed.
func (r *smallRoot) file(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	r.must(t, err)
	r.write(t, path, string(data), 0o755)
}

// tree copies a directory into the root, over what is there.
func (r *smallRoot) tree(t *testing.T, from, to string) {
	t.Helper()
	r.must(t, os.MkdirAll(r.path(to), 0o755))
	if out, err := exec.CommandContext(t.Context(), "cp", "-RL", from+"/.", r.path(to)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// libraries copies what a program is linked with. A script is linked with nothing.
func (r *smallRoot) libraries(t *testing.T, path string, env ...string) {
	t.Helper()
	data, err := os.ReadFile(path)
	r.must(t, err)
	if bytes.HasPrefix(data, []byte("#!")) {
		return
	}
	ldd := exec.CommandContext(t.Context(), "ldd", path)
	ldd.Env = append(os.Environ(), env...)
	out, err := ldd.Output()
	r.must(t, err)
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		for word := range strings.FieldsSeq(s.Text()) {
			if !strings.HasPrefix(word, "/") {
				continue
			}
			if _, err := os.Lstat(r.path(word)); errors.Is(err, fs.ErrNotExist) {
				r.file(t, word)
			}
		}
	}
}

// recorder puts a program into the root that notes each call of it.
func (r *smallRoot) recorder(t *testing.T, path string) {
	t.Helper()
	r.write(t, path, "#!/bin/sh\necho \"${0##*/} $*\" >>/calls\n", 0o755)
}

// calls returns the noted calls and forgets them.
func (r *smallRoot) calls(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(r.path("calls"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	r.must(t, err)
	r.must(t, os.Remove(r.path("calls")))
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// rpm runs this machine's rpm on the root and returns all that it said.
func (r *smallRoot) rpm(t *testing.T, args ...string) string {
	t.Helper()
	args = append([]string{"--root", r.dir, "--dbpath", "/var/lib/rpm"}, args...)
	out, err := exec.CommandContext(t.Context(), "rpm", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("rpm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// files lists everything in the root but rpm's own database.
func (r *smallRoot) files(t *testing.T) []string {
	t.Helper()
	var names []string
	r.must(t, fs.WalkDir(os.DirFS(r.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !strings.HasPrefix(name, "var/lib/rpm/") {
			names = append(names, "/"+name)
		}
		return err
	}))
	slices.Sort(names)
	return names
}

// without returns the elements of a that b lacks.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool {
		_, found := slices.BinarySearch(b, s)
		return found
	})
}

// extract writes one file of a package.
func extract(t *testing.T, pkg, name, to string) {
	t.Helper()
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpack := exec.CommandContext(t.Context(), "sh", "-c", `rpm2cpio "$1" | cpio -i --quiet --to-stdout "$2"`, "sh", pkg, name)
	unpack.Stdout = f
	if err := unpack.Run(); err != nil {
		t.Fatal(err)
	}
}
