// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// oldForm makes a store one of version 1, as it was before it had a UUID.
func oldForm(t *testing.T, s *Store) {
	t.Helper()
	if err := os.WriteFile(s.path(formatFile), []byte(`{"format":"ovzpatch datastore","version":1,"name":"store"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"locks", "stores"} {
		if err := os.RemoveAll(filepath.Join(filepath.Dir(s.dir), "run", known)); err != nil {
			t.Fatal(err)
		}
	}
}

// A program that opened a store before it got a UUID, and one that opened it afterwards, keep
// each other out, whoever comes first and whether or not the first had locked anything.
func TestMigrationLeavesNoGap(t *testing.T) {
	ctx := t.Context()
	for _, locked := range []bool{true, false} {
		s := newStore(t)
		ref, later := put(t, s, kernel, day, "a", "1"), put(t, s, kernel, day.Add(time.Hour), "a", "2")
		oldForm(t, s)
		reopen := func() *Store {
			o, err := Open(s.dir, place(filepath.Dir(s.dir)))
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		before := reopen()
		if locked {
			lock, err := before.LockShared(ctx, later)
			if err != nil {
				t.Fatal(err)
			}
			lock.Unlock()
		}
		put(t, reopen(), Group{"", "kernel", "other"}, day, "a", "1")
		after := reopen()
		if f, err := after.readFormat(); err != nil || f.Version != Version || f.UUID == "" || f.ByName != bootID() {
			t.Fatalf("%+v, %v", f, err)
		}
		for _, pair := range [][2]*Store{{before, after}, {after, before}} {
			lock, err := pair[0].LockExclusive(ctx, ref)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pair[1].OpenSnapshot(ctx, ref); !errors.Is(err, ErrLocked) {
				t.Errorf("locked before: %v: a reader beside an exclusive lock: %v", locked, err)
			}
			lock.Unlock()
			w, err := pair[0].Create(ctx, kernel, day.AddDate(0, 0, 1))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pair[1].Create(ctx, kernel, day.AddDate(0, 0, 2)); !errors.Is(err, ErrLocked) {
				t.Errorf("locked before: %v: two writers in one group: %v", locked, err)
			}
			if err := w.Abort(); err != nil {
				t.Error(err)
			}
		}
		// In the next boot nobody knows the name any more.
		f, err := after.readFormat()
		if err != nil {
			t.Fatal(err)
		}
		f.ByName = "00000000-0000-0000-0000-000000000000"
		if err := after.writeFormat(f); err != nil {
			t.Fatal(err)
		}
		if keys, err := reopen().keys(); err != nil || !slices.Equal(keys, []string{f.UUID}) {
			t.Errorf("filed under %q, %v", keys, err)
		}
	}
}

// Many programs that are first to write to a store of version 1 agree on one UUID.
func TestMigrationAtOnce(t *testing.T) {
	s := newStore(t)
	put(t, s, kernel, day, "a", "1")
	oldForm(t, s)
	done := make(chan error)
	const writers = 8
	for i := range writers {
		go func() {
			o, err := Open(s.dir, place(filepath.Dir(s.dir)))
			if err == nil {
				var w *Writer
				if w, err = o.Create(t.Context(), Group{"", "kernel", string(rune('a' + i))}, day); err == nil {
					_, err = w.AddFile(t.Context(), "a", strings.NewReader("1"))
					err = errors.Join(err, w.Commit(t.Context()))
				}
			}
			done <- err
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if refs := checkWhole(t, s, "in the end"); len(refs) != 1+writers {
		t.Errorf("there is %v", refs)
	}
}
