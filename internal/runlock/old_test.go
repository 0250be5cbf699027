// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOldLocking(t *testing.T) {
	dir := memoryDir(t)
	place := Place{Root: filepath.Join(dir, "locks"), OldMarker: filepath.Join(dir, "old-locking")}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place.OldMarker, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := New(place, oneKey)
	if err != nil || !l.Old() {
		t.Fatalf("old %v, %v", l.Old(), err)
	}
	s := snapshot
	s.Dir = data
	lock, err := l.Snapshot(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	// What an older program does.
	fd, err := unix.Open(data, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
		t.Errorf("an older program got the lock: %v", err)
	}
	if line, _ := startHolder(t, l, "shared"); !strings.Contains(line, ": held by pid") {
		t.Errorf("a process that found the marker got the lock: %s", line)
	}
	// The marker goes: this process has made up its mind, and still locks as before.
	if err := os.Remove(place.OldMarker); err != nil {
		t.Fatal(err)
	}
	if again, err := New(place, oneKey); err != nil || !again.Old() {
		t.Errorf("the marker was looked at twice: %v", err)
	}
	if list, err := l.List([]string{"store"}, map[string]string{"it": data}); err != nil || len(list) != 2 || list[1].Locked != "it" {
		t.Errorf("list: %+v %v", list, err)
	}
	if err := lock.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(data); err != nil {
		t.Errorf("the lock took the directory away: %v", err)
	}
	s.Dir = filepath.Join(dir, "none")
	if _, err := l.Snapshot(t.Context(), s); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(s.Dir); err == nil {
		t.Error("locking made the directory")
	}
	if _, err := os.Lstat(l.roots[0]); err == nil {
		t.Error("a lock file was left of what is not there")
	}
	manifest, err := l.Manifest(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	manifest.Remove()
}
