// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/runlock"
)

var (
	kernel = Group{"rhel6/testing", "kernel", "ovzkernel-PAE.i686"}
	day    = time.Date(2022, 5, 2, 8, 11, 33, 0, time.UTC)
)

// place is where the locks of a store that a test made in dir/store are.
func place(dir string) runlock.Place {
	return runlock.Place{Root: filepath.Join(dir, "run/locks"), OldMarker: filepath.Join(dir, "run/old-locking")}
}

func newStore(t testing.TB) *Store {
	t.Helper()
	dir := memoryDir(t)
	s, err := Init(filepath.Join(dir, "store"), "", place(dir))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// oldStore is a store whose directories are locked, as until the reboot after an upgrade.
func oldStore(t testing.TB) *Store {
	t.Helper()
	dir := memoryDir(t)
	marker := place(dir).OldMarker
	if err := os.MkdirAll(filepath.Dir(marker), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(marker, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Init(filepath.Join(dir, "store"), "", place(dir))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bothWays runs a test with lock files and with locked directories.
func bothWays(t *testing.T, f func(*testing.T, *Store)) {
	t.Run("lock files", func(t *testing.T) { f(t, newStore(t)) })
	t.Run("directories", func(t *testing.T) { f(t, oldStore(t)) })
}

// put makes a snapshot of the files, given as name, content, name, content.
func put(t testing.TB, s *Store, g Group, at time.Time, files ...string) Ref {
	t.Helper()
	w, err := s.Create(t.Context(), g, at)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i := 0; i < len(files); i += 2 {
		if _, err := w.AddFile(t.Context(), files[i], strings.NewReader(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w.Ref()
}

// tree lists everything below dir, directories with a slash.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			if d.IsDir() {
				rel += "/"
			}
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Ino
}
