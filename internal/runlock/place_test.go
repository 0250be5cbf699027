// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestModesWhateverTheUmask(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077} {
		old := syscall.Umask(mask)
		l := testLocks(t)
		lock, err := l.Snapshot(t.Context(), snapshot)
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Unlock()
		for path, want := range map[string]fs.FileMode{
			l.roots[0]:                    fs.ModeDir | 0o755,
			filepath.Dir(l.roots[0]):      fs.ModeDir | 0o755,
			filepath.Dir(lock.first.path): fs.ModeDir | 0o755,
			lock.first.path:               0o640,
		} {
			if fi, err := os.Lstat(path); err != nil || fi.Mode() != want {
				t.Errorf("umask %03o: %s: %v %v, want %v", mask, path, fi.Mode(), err, want)
			}
		}
	}
}

func TestLockFileMustNotBeALink(t *testing.T) {
	l := testLocks(t)
	path := path(l.roots[0], nil, "vm/1")
	if err := makeDirs(l.roots[0], filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", path); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Group(t.Context(), Group{Type: "vm", ID: "1"}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestDefaultPlace(t *testing.T) {
	for _, tc := range []struct {
		uid     int
		runtime string
		want    string
	}{
		{0, "/run/user/0", "/run/ovzpatch/locks"},
		{1000, "/run/user/1000", "/run/user/1000/ovzpatch/locks"},
		{123456, "", "/dev/shm/ovzpatch-123456/locks"},
		{123456, "relative", "/dev/shm/ovzpatch-123456/locks"},
	} {
		p := DefaultPlace(tc.uid, tc.runtime)
		if p.Root != tc.want || p.OldMarker != "/run/ovzpatch/old-locking" {
			t.Errorf("uid %d, %q: %+v", tc.uid, tc.runtime, p)
		}
	}
}

// A directory for locks that others could change, or that outlives a reboot, is refused at
// once, by who takes a lock and by who asks beforehand.
func TestPlaceRefusals(t *testing.T) {
	nobody := 65534
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, base string)
		want  string
		root  bool // only root can make it so
	}{
		"a link to nowhere":     {func(t *testing.T, base string) { symlink(t, "/nonexistent/x", base) }, "ovzpatch: it is a symbolic link, which ovzpatch does not follow; remove it", false},
		"a link to a directory": {func(t *testing.T, base string) { symlink(t, memoryDir(t), base) }, "it is a symbolic link", false},
		"a link within":         {func(t *testing.T, base string) { mkdir(t, base, 0o755); symlink(t, memoryDir(t), base+"/locks") }, "locks: it is a symbolic link", false},
		"a file":                {func(t *testing.T, base string) { write(t, base) }, "it is not a directory; remove it", false},
		"a link to itself":      {func(t *testing.T, base string) { symlink(t, base, base) }, "it is a symbolic link", false},
		"a file within":         {func(t *testing.T, base string) { mkdir(t, base, 0o755); write(t, base+"/locks") }, "locks: it is not a directory", false},
		"another user's":        {func(t *testing.T, base string) { mkdir(t, base, 0o755); chown(t, base, nobody) }, "it belongs to uid 65534", true},
		"another user's within": {func(t *testing.T, base string) {
			mkdir(t, base, 0o755)
			mkdir(t, base+"/locks", 0o755)
			chown(t, base+"/locks", nobody)
		}, "locks: it belongs to uid 65534", true},
		"another user's above": {func(t *testing.T, base string) { chown(t, filepath.Dir(base), nobody) }, "it belongs to uid 65534, who could remove lock files", true},
		"a group's":            {func(t *testing.T, base string) { mkdir(t, base, 0o775) }, "others can write to it (mode 0775)", false},
		"everybody's":          {func(t *testing.T, base string) { mkdir(t, base, 0o1777) }, "others can write to it (mode 1777)", false},
		"everybody's above":    {func(t *testing.T, base string) { chmod(t, filepath.Dir(base), 0o777) }, "others can write to it (mode 0777)", false},
		"nothing above":        {func(t *testing.T, base string) { os.Remove(filepath.Dir(base)) }, "no such file or directory", false},
		"on a disk": {func(t *testing.T, base string) {
			statfs = func(_ string, st *unix.Statfs_t) error { st.Type = unix.EXT4_SUPER_MAGIC; return nil }
			t.Cleanup(func() { statfs = unix.Statfs })
		}, "it is not on a tmpfs, so what is in it would outlive a reboot; mount one there", false},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.root && os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			base := filepath.Join(memoryDir(t), "ovzpatch")
			tc.spoil(t, base)
			l, err := New(Place{Root: filepath.Join(base, "locks"), OldMarker: filepath.Join(base, "old-locking")}, oneKey)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for what, try := range map[string]func() error{
				"take":  func() error { _, err := l.Snapshot(t.Context(), snapshot); return err },
				"share": func() error { _, err := l.SnapshotShared(t.Context(), snapshot); return err },
				"ready": l.Ready,
			} {
				if err := try(); !errors.Is(err, ErrPlace) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: got %v, want %s", what, err, tc.want)
				}
			}
			if d := time.Since(began); d > 2*time.Second {
				t.Errorf("it took %v to find out", d)
			}
		})
	}
}

func symlink(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, mode)
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := unix.Chmod(path, uint32(mode)); err != nil {
		t.Fatal(err)
	}
}

func chown(t *testing.T, path string, uid int) {
	t.Helper()
	if err := os.Lchown(path, uid, uid); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}
