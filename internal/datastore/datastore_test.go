// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
