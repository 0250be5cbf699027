// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/runlock"
)

// memoryDir is a temporary directory without a disk's waiting for fsync: these tests
// make thousands of stores.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ovzpatch")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// checkWhole reads every byte of every snapshot that is listed, as any reader would.
func checkWhole(t *testing.T, s *Store, how string) []Ref {
	t.Helper()
	refs, err := s.All()
	if err != nil {
		t.Fatalf("%s: %v", how, err)
	}
	refs = slices.DeleteFunc(refs, func(ref Ref) bool { return s.going(ref) })
	for _, ref := range refs {
		r, err := s.OpenSnapshot(t.Context(), ref)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		for _, f := range r.Manifest.Files {
			if sum, size, err := s.digest(t.Context(), filepath.Join(ref.dir(), f.Name)); err != nil || sum != f.SHA256 || size != f.Size {
				t.Fatalf("%s: %s of %s is not whole: %v", how, f.Name, ref, err)
			}
		}
		r.Close()
	}
	return refs
}

// checkTidy tells of everything in the store and among its locks that has no reason to
// be there.
func checkTidy(t *testing.T, s *Store, how string) {
	t.Helper()
	reason := map[string]bool{formatFile: true}
	locks := map[string]bool{}
	refs, err := s.All()
	if err != nil {
		t.Fatal(err)
	}
	because := func(path string) {
		for ; path != "."; path = filepath.Dir(path) {
			reason[path], reason[path+"/"] = true, true
		}
	}
	for _, ref := range refs {
		m, _, err := s.look(ref)
		if err != nil {
			t.Fatal(err)
		}
		because(filepath.Join(ref.dir(), manifestFile))
		for _, f := range m.Files {
			because(filepath.Join(ref.dir(), f.Name))
			because(s.object(f.SHA256))
		}
		n := s.lockName(ref, "")
		locks[ref.String()], locks[strings.Join(append(n.Namespace, n.Type, n.ID), "/")] = true, true
	}
	for _, path := range tree(t, s.dir) {
		if !reason[path] {
			t.Errorf("%s: %s was left in the store", how, path)
		}
	}
	keys, err := s.keys()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(place(filepath.Dir(s.dir)).Root, keys[0])
	for _, path := range tree(t, root) {
		if strings.HasSuffix(path, "/") {
			if entries, _ := os.ReadDir(filepath.Join(root, path)); len(entries) == 0 {
				t.Errorf("%s: %s was left of the locks", how, path)
			}
			continue
		}
		if what := strings.TrimSuffix(runlock.Describe(path), " (manifest)"); !locks[what] {
			t.Errorf("%s: the lock of %s was left", how, what)
		}
	}
}
