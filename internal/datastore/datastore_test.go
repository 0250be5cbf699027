// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSnapshotHoldsWhatWasPutIn(t *testing.T) {
	bothWays(t, func(t *testing.T, s *Store) {
		w, err := s.Create(t.Context(), kernel, day.Add(300*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddFile(t.Context(), "kernel.rpm", strings.NewReader("the kernel")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddFile(t.Context(), "build.log", strings.NewReader("")); err != nil {
			t.Fatal(err)
		}
		w.Manifest = Manifest{
			Owner:     "release",
			Notes:     "first",
			Source:    Input{"ovzkernel.src.rpm", strings.Repeat("ab", 32)},
			Port:      Input{"patches/rhel6-2.6.32/ovz-kernel-lustre-umount.patch", strings.Repeat("cd", 32)},
			Toolchain: map[string]string{"gcc": "12.2.0"},
			Options:   []string{"--target=i686"},
			Log:       "build.log",
			Verdicts:  []Verdict{{Time: day, Verdict: "protected", Evidence: json.RawMessage(`{"cases":3}`)}},
		}
		if all, _ := s.All(); len(all) != 0 {
			t.Errorf("seen before it was finished: %v", all)
		}
		if err := w.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(t.Context()); err == nil {
			t.Error("committed twice")
		}
		if err := w.Abort(); err != nil {
			t.Errorf("abort after commit: %v", err)
		}
		if got := w.Ref().String(); got != "rhel6/testing/kernel/ovzkernel-PAE.i686/2022-05-02T08:11:33Z" {
			t.Errorf("it is called %s", got)
		}
		r, err := s.OpenSnapshot(t.Context(), w.Ref())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		m := r.Manifest
		if m.Owner != "release" || m.Source.Name != "ovzkernel.src.rpm" || m.Log != "build.log" || len(m.Files) != 2 ||
			m.Files[0].Size != 10 || m.Verdicts[0].Verdict != "protected" || m.Snapshot != w.Ref() {
			t.Errorf("got %+v", m)
		}
		f, err := r.Open("kernel.rpm")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if b, _ := io.ReadAll(f); string(b) != "the kernel" {
			t.Errorf("got %q", b)
		}
		if st, _ := f.Stat(); st.Mode() != 0o444 {
			t.Errorf("mode %v", st.Mode())
		}
		if _, err := r.Open("../../x"); err == nil {
			t.Error("opened a file that is not in the manifest")
		}
		if _, err := s.Create(t.Context(), kernel, day); !errors.Is(err, ErrExists) {
			t.Errorf("made again: %v", err)
		}
	})
}

// Builds that end in the same second, one after the other or together, are all kept.
func TestCreateNowTakesTheNextSecond(t *testing.T) {
	bothWays(t, func(t *testing.T, s *Store) {
		var refs []Ref
		for range 2 {
			w, err := s.CreateNow(t.Context(), kernel)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			refs = append(refs, w.Ref())
		}
		if !refs[0].Time.Before(refs[1].Time) {
			t.Errorf("got %v", refs)
		}

		w, err := s.CreateNow(t.Context(), kernel)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		time.AfterFunc(200*time.Millisecond, func() { ended <- w.Commit(t.Context()) })
		beside, err := s.CreateNow(t.Context(), kernel)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(<-ended, beside.Commit(t.Context())); err != nil {
			t.Error(err)
		}
		if !w.Ref().Time.Before(beside.Ref().Time) {
			t.Errorf("got %v, then %v", w.Ref(), beside.Ref())
		}
	})
}

func TestCreateNowEndsWithItsContext(t *testing.T) {
	s := newStore(t)
	w, err := s.CreateNow(t.Context(), kernel)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.CreateNow(ctx, kernel); !errors.Is(err, ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestFilesAreStoredOnce(t *testing.T) {
	s := newStore(t)
	a := put(t, s, kernel, day, "a.rpm", "same", "b.rpm", "other")
	b := put(t, s, kernel, day.Add(time.Hour), "c.rpm", "same")
	pathA, pathB := s.path(a.dir(), "a.rpm"), s.path(b.dir(), "c.rpm")
	if inodeOf(t, pathA) != inodeOf(t, pathB) {
		t.Error("the same bytes are stored twice")
	}
	if err := s.Remove(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(pathB); string(got) != "same" {
		t.Errorf("removing one took the other's file: %q", got)
	}
	c := put(t, s, kernel, day.Add(2*time.Hour), "d.rpm", "same")
	if inodeOf(t, s.path(c.dir(), "d.rpm")) != inodeOf(t, pathB) {
		t.Error("sharing ended with the first snapshot")
	}
	// What rotted in one snapshot must not get into the next.
	if err := os.Chmod(pathB, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pathB, []byte("sane"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := put(t, s, kernel, day.Add(3*time.Hour), "e.rpm", "same")
	if got, _ := os.ReadFile(s.path(d.dir(), "e.rpm")); string(got) != "same" {
		t.Errorf("a new snapshot has the old one's rot: %q", got)
	}
}

// Whatever was there, after everything is removed nothing is left: no directory, no
// object, no lock.
func TestNothingPilesUp(t *testing.T) {
	bothWays(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		other := Group{"", "kernel", "b"}
		refs := []Ref{put(t, s, kernel, day, "a", "1"), put(t, s, kernel, day.Add(time.Hour), "a", "1"), put(t, s, other, day, "a", "1", "b", "2")}
		if _, err := s.Verify(ctx, refs, true, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.SetNotes(ctx, refs[0], "x"); err != nil {
			t.Fatal(err)
		}
		w, err := s.Create(ctx, Group{"x/y", "kernel", "c"}, day)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddFile(ctx, "a", strings.NewReader("new")); err != nil {
			t.Fatal(err)
		}
		if err := w.Abort(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.OpenSnapshot(ctx, kernel.At(day.Add(time.Minute))); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if err := s.Remove(ctx, kernel.At(day.Add(time.Minute))); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if err := s.Remove(ctx, refs[2]); err != nil {
			t.Fatal(err)
		}
		if err := s.RemoveGroup(ctx, kernel); err != nil {
			t.Fatal(err)
		}
		if err := s.RemoveGroup(ctx, kernel); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if left := tree(t, s.dir); !slices.Equal(left, []string{formatFile}) {
			t.Errorf("left in the store: %q", left)
		}
		if left := tree(t, filepath.Dir(s.dir)+"/run/locks"); len(left) > 0 {
			t.Errorf("left of the locks: %q", left)
		}
	})
}
