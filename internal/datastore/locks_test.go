// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWhoWaitsForWhom(t *testing.T) {
	bothWays(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		ref := put(t, s, kernel, day, "a", "1")
		r, err := s.OpenSnapshot(ctx, ref)
		if err != nil {
			t.Fatal(err)
		}
		r2, err := s.OpenSnapshot(ctx, ref)
		if err != nil {
			t.Fatalf("a second reader: %v", err)
		}
		r2.Close()
		for what, try := range map[string]func() error{
			"remove":       func() error { return s.Remove(ctx, ref) },
			"remove group": func() error { return s.RemoveGroup(ctx, kernel) },
			"exclusive":    func() error { _, err := s.LockExclusive(ctx, ref); return err },
		} {
			err := try()
			if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), ref.String()) || !strings.Contains(err.Error(), "held by this process itself") {
				t.Errorf("%s beside a reader: %v", what, err)
			}
		}
		if err := s.SetNotes(ctx, ref, "a reader keeps no note out"); err != nil {
			t.Error(err)
		}
		if plan, err := s.Prune(ctx, []Group{kernel}, Keep{Last: 1}, false); err != nil || !plan[0].Keep {
			t.Errorf("%v %v", plan, err)
		}
		r.Close()
		w, err := s.Create(ctx, kernel, day.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create(ctx, kernel, day.Add(2*time.Hour)); !errors.Is(err, ErrLocked) {
			t.Errorf("two writers in one group: %v", err)
		}
		if err := s.RemoveGroup(ctx, kernel); !errors.Is(err, ErrLocked) {
			t.Errorf("a group that is written to was removed: %v", err)
		}
		if err := s.Remove(ctx, ref); err != nil {
			t.Errorf("another snapshot of that group must go: %v", err)
		}
		if err := w.Commit(ctx); err != nil {
			t.Error(err)
		}
		if all, _ := s.All(); !slices.Equal(all, []Ref{w.Ref()}) {
			t.Errorf("there is %v", all)
		}
	})
}

// A snapshot whose manifest is lost may have been protected. Only who says so removes it, and that takes
// no protected one along.
func TestPerhapsProtectedStays(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"not JSON":  func(file string) error { return os.WriteFile(file, []byte("broken"), 0o644) },
		"a field":   func(file string) error { return os.WriteFile(file, []byte(`{"later":1}`), 0o644) },
		"empty":     func(file string) error { return os.WriteFile(file, nil, 0o644) },
		"gone":      os.Remove,
		"directory": func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			ctx := t.Context()
			a, b := put(t, s, kernel, day, "a", "1"), put(t, s, kernel, day.Add(time.Hour), "a", "2")
			for _, ref := range []Ref{a, b} {
				if err := s.Protect(ctx, ref, true); err != nil {
					t.Fatal(err)
				}
			}
			if err := spoil(s.path(a.dir(), manifestFile)); err != nil {
				t.Fatal(err)
			}
			if err := s.Remove(ctx, a); err == nil || !strings.Contains(err.Error(), "it may be protected: read manifest ") || !strings.Contains(err.Error(), "--damaged") {
				t.Errorf("got %v", err)
			}
			if err := s.RemoveGroup(ctx, kernel); err == nil || !strings.Contains(err.Error(), "it may be protected") {
				t.Errorf("got %v", err)
			}
			if _, err := s.RemoveAll(ctx, nil, []Group{kernel}, true); !errors.Is(err, ErrProtected) {
				t.Errorf("got %v", err)
			}
			if all, _ := s.All(); !slices.Equal(all, []Ref{a, b}) {
				t.Errorf("there is %v", all)
			}
			if removed, err := s.RemoveAll(ctx, []Ref{a}, nil, true); err != nil || !slices.Equal(removed, []Ref{a}) {
				t.Errorf("%v, %v", removed, err)
			}
		})
	}
}

// What is known of a snapshot counts, also where one of its files cannot be looked at.
func TestProtectionIsKnown(t *testing.T) {
	broken := errors.New("input/output error")
	for _, check := range []func(*Manifest, []Problem, error) error{unlessProtected, unlessKnownProtected} {
		if err := check(&Manifest{Protected: true}, nil, broken); !errors.Is(err, ErrProtected) {
			t.Errorf("got %v", err)
		}
		if err := check(&Manifest{}, nil, broken); err != nil {
			t.Error(err)
		}
	}
}

func TestProtectedStays(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	a, b := put(t, s, kernel, day, "a", "1"), put(t, s, kernel, day.Add(time.Hour), "a", "2")
	if err := s.Protect(ctx, a, true); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, a); !errors.Is(err, ErrProtected) {
		t.Errorf("got %v", err)
	}
	if err := s.RemoveGroup(ctx, kernel); !errors.Is(err, ErrProtected) {
		t.Errorf("got %v", err)
	}
	if all, _ := s.All(); !slices.Equal(all, []Ref{a, b}) {
		t.Errorf("there is %v", all)
	}
	if err := s.Protect(ctx, a, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, a); err != nil {
		t.Error(err)
	}
}

func TestCancelledWriterLeavesNothing(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := s.Create(ctx, kernel, day)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := w.AddFile(ctx, "a", strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := tree(t, filepath.Dir(s.dir)); slices.ContainsFunc(left, func(p string) bool {
		return !strings.HasPrefix(p, "run/stores/") && p != "store/" && p != "run/" && p != "run/locks/" && p != "store/"+formatFile
	}) {
		t.Errorf("left: %q", left)
	}
}

// A writer that meets its own lock is told so, and neither it nor the other leaves a
// group without a snapshot.
func TestLockOnOneselfLeavesNoGroup(t *testing.T) {
	bothWays(t, func(t *testing.T, s *Store) {
		w, err := s.Create(t.Context(), kernel, day)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Time{day, day.Add(time.Hour)} {
			if _, err := s.Create(t.Context(), kernel, at); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "held by this process itself") {
				t.Errorf("got %v", err)
			}
		}
		if err := w.Abort(); err != nil {
			t.Fatal(err)
		}
		if left := tree(t, s.dir); !slices.Equal(left, []string{formatFile}) {
			t.Errorf("left in the store: %q", left)
		}
		if left := tree(t, filepath.Dir(s.dir)+"/run/locks"); len(left) > 0 {
			t.Errorf("left of the locks: %q", left)
		}
	})
}
