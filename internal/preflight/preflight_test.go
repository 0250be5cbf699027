// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/testutil"
)

func TestPreflight(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		err  error
		want string // "" for none
	}{
		{"no file is named", File("devel", ""), ""},
		{"a file", File("devel", file), ""},
		{"no such file", File("devel", filepath.Join(dir, "no")), "--devel: stat "},
		{"an argument", File("", filepath.Join(dir, "no")), "stat "},
		{"a directory for a file", File("devel", dir), "--devel: " + dir + ": it is a directory; name a file"},
		{"a pipe", File("devel", pipe), "--devel: " + pipe + ": it is a pipe, a socket or a device, "},
		{"nothing, as a device", File("config", os.DevNull), ""},
		{"no end", File("config", "/dev/zero"), "reading it might never end"},
		{"a directory", Dir("share", dir), ""},
		{"a directory to be made", NewDir("cache-dir", filepath.Join(dir, "no")), ""},
		{"a directory that is there", NewDir("cache-dir", dir), ""},
		{"a file in its place", NewDir("cache-dir", file), "--cache-dir: " + file + ": it is not a directory"},
		{"a file for a directory", Dir("share", file), "--share: " + file + ": it is not a directory"},
		{"no output", Output("output", ""), ""},
		{"a new directory", Output("output", filepath.Join(dir, "a/b")), ""},
		{"output below a file", Output("output", filepath.Join(file, "a")), "--output=" + file + "/a: "},
		{"no output file", OutputFile("report", ""), ""},
		{"a new file", OutputFile("report", filepath.Join(dir, "new")), ""},
		{"a file again", OutputFile("report", file), ""},
		{"a directory again", OutputFile("report", dir), "it is a directory"},
		{"a link", OutputFile("report", link), "it is a link"},
		{"a device", OutputFile("report", "/dev/null"), "a device"},
		{"no room", OutputFile("report", "/dev/full"), "a device"},
		{"a file in no directory", OutputFile("report", filepath.Join(dir, "no/file")), "--report=" + dir + "/no/file: "},
	} {
		switch {
		case tt.want == "" && tt.err != nil:
			t.Errorf("%s: %v", tt.name, tt.err)
		case tt.want != "" && (!errors.Is(tt.err, job.ErrRequest) || !strings.Contains(tt.err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", tt.name, tt.err, tt.want)
		}
	}
	// Nothing stays of the trying.
	if list, err := os.ReadDir(dir); err != nil || len(list) != 3 {
		t.Errorf("%v, %v", list, err)
	}
}

// A file that nobody named is not the request's fault, and neither is what came besides.
func TestOnlyWrong(t *testing.T) {
	t.Chdir(t.TempDir())
	_, gone := os.Open("no.rpm")
	_, tool := os.Open("no-tool")
	read := fmt.Errorf("read: %w", gone)
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"named":            {read, true},
		"not named":        {tool, false},
		"both":             {errors.Join(read, tool), false},
		"twice":            {errors.Join(read, read), true},
		"no package":       {fmt.Errorf("x: %w", rpmfile.ErrNotRPM), true},
		"no permission":    {&fs.PathError{Op: "open", Path: "no.rpm", Err: fs.ErrPermission}, false},
		"no directory":     {&fs.PathError{Op: "open", Path: "no.rpm", Err: syscall.ENOTDIR}, true},
		"is not about one": {errors.New("x"), false},
	} {
		abs, err := filepath.Abs("no.rpm")
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range [][]string{{"", "no.rpm"}, {abs}} {
			if got := OnlyWrong(tt.err, list); got != tt.want {
				t.Errorf("%s, %q: %t", name, list, got)
			}
		}
	}
}

// A file in whose place no other can be put, and a full disk, are told before the work.
func TestOutputThatCannotBeWritten(t *testing.T) { testutil.RunAlone(t, cannotBeWritten) }

func cannotBeWritten(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=755"); err != nil {
		t.Fatal(err)
	}
	refused := func(path, want string) {
		t.Helper()
		err := OutputFile("report", path)
		if !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	file, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	for _, f := range []string{file, other} {
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := OutputFile("report", file); err != nil {
		t.Error(err)
	}
	if err := syscall.Mount(other, file, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	refused(file, "a filesystem is mounted on the file")
	os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 1<<20), 0o644) // as much as there is room for
	refused(filepath.Join(dir, "new"), "--report="+dir+"/new: write "+dir+": no space left on device")
	if list, err := os.ReadDir(dir); err != nil || len(list) != 3 {
		t.Errorf("%v, %v", list, err)
	}

	// tmpfs has such attributes since Linux 6.6 only.
	at, err := os.MkdirTemp("/var/tmp", "preflight")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(at)
	file = filepath.Join(at, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"i", "a"} {
		for _, path := range []string{file, at} {
			if out, err := exec.Command("chattr", "+"+flag, path).CombinedOutput(); err != nil {
				t.Logf("this filesystem has no such attributes: %s", out)
				return
			}
			want := map[string]string{file: "the file cannot be replaced", at: "its directory cannot be changed"}[path]
			refused(file, want)
			if out, err := exec.Command("chattr", "-"+flag, path).CombinedOutput(); err != nil {
				t.Errorf("%s", out)
			}
		}
	}
	if err := OutputFile("report", file); err != nil {
		t.Error(err)
	}
}
