// SPDX-License-Identifier: GPL-2.0-only

package datastore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

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
	dir := t.TempDir()
	s, err := Init(filepath.Join(dir, "store"), "", place(dir))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// oldStore is a store whose directories are locked, as until the reboot after an upgrade.
func oldStore(t testing.TB) *Store {
	t.Helper()
	dir := t.TempDir()
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
		if _, err := s.Verify(ctx, refs, nil); err != nil {
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

func TestUpdateChangesOnlyWhatMayChange(t *testing.T) {
	s := newStore(t)
	ref := put(t, s, kernel, day, "a", "1")
	for name, change := range map[string]func(*Manifest) error{
		"files":    func(m *Manifest) error { m.Files = nil; return nil },
		"one file": func(m *Manifest) error { m.Files[0].Size++; return nil },
		"name":     func(m *Manifest) error { m.Snapshot = kernel.At(day.Add(1)); m.Snapshot.ID = "x"; return nil },
		"evidence": func(m *Manifest) error {
			m.Verdicts = []Verdict{{Evidence: json.RawMessage(`{`)}}
			return nil
		},
		"refused": func(*Manifest) error { return errors.New("no") },
	} {
		if err := s.UpdateManifest(t.Context(), ref, change); err == nil {
			t.Errorf("%s could be changed", name)
		}
	}
	if left := tree(t, s.path(newDir)); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	r, err := s.OpenSnapshot(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if f := r.Manifest.Files; len(f) != 1 || f[0].Size != 1 {
		t.Errorf("got %+v", f)
	}
}

func TestVerifyFindsAndMarks(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(dir string) error
		file  string
		want  string
	}{
		"good":     {func(string) error { return nil }, "", ""},
		"bit":      {func(d string) error { return flipBit(d+"/b.rpm", 100_000) }, "b.rpm", "sha256"},
		"short":    {func(d string) error { return os.Truncate(d+"/b.rpm", 99) }, "b.rpm", "99 bytes"},
		"missing":  {func(d string) error { return os.Remove(d + "/a.rpm") }, "a.rpm", "missing"},
		"link":     {func(d string) error { os.Remove(d + "/a.rpm"); return os.Symlink("b.rpm", d+"/a.rpm") }, "a.rpm", "no regular file"},
		"stranger": {func(d string) error { return os.WriteFile(d+"/c", nil, 0o644) }, "c", "not in the manifest"},
		"manifest": {func(d string) error { return os.Truncate(d+"/index.json", 20) }, "index.json", "unexpected"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			ref := put(t, s, kernel, day, "a.rpm", "one", "b.rpm", strings.Repeat("two", 100_000))
			other := put(t, s, kernel, day.Add(time.Hour), "a.rpm", "three")
			if err := os.Chmod(s.path(ref.dir(), "b.rpm"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := tc.spoil(s.path(ref.dir())); err != nil {
				t.Fatal(err)
			}
			var at Progress
			got, err := s.Verify(t.Context(), []Ref{ref, other}, func(p Progress) { at = p })
			if err != nil || got[0].Err != nil || got[1].Err != nil {
				t.Fatal(err, got)
			}
			if v := got[1].Verification; !v.OK {
				t.Errorf("the other: %+v", v)
			}
			v := got[0].Verification
			if v.OK != (tc.want == "") {
				t.Errorf("got %+v", v)
			}
			if tc.want != "" && (len(v.Problems) != 1 || v.Problems[0].File != tc.file || !strings.Contains(v.Problems[0].Problem, tc.want)) {
				t.Errorf("got %+v, want %s of %s", v.Problems, tc.want, tc.file)
			}
			if name == "good" && (at.Done != at.Total || at.Total != 300_008) {
				t.Errorf("progress ended at %+v", at)
			}
			list, err := s.List(t.Context(), []Ref{ref})
			if err != nil {
				t.Fatal(err)
			}
			if mark := list[0].Verification; name != "manifest" && (mark == nil || mark.OK != v.OK || len(mark.Problems) != len(v.Problems)) {
				t.Errorf("marked %+v", mark)
			}
		})
	}
}

func flipBit(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 4
	_, err = f.WriteAt(b[:], at)
	return err
}

func TestCopy(t *testing.T) {
	from, to := newStore(t), newStore(t)
	ctx := t.Context()
	ref := put(t, from, kernel, day, "a", "1", "b", "2")
	if err := from.Protect(ctx, ref, true); err != nil {
		t.Fatal(err)
	}
	got, err := from.Copy(ctx, ref, to, "release")
	if err != nil || got.String() != "release/kernel/ovzkernel-PAE.i686/2022-05-02T08:11:33Z" {
		t.Fatalf("%v %v", got, err)
	}
	if v, err := to.Verify(ctx, []Ref{got}, nil); err != nil || !v[0].Verification.OK {
		t.Errorf("%+v %v", v, err)
	}
	if list, _ := to.List(ctx, []Ref{got}); list[0].Protected {
		t.Error("protection was carried over")
	}
	if _, err := from.Copy(ctx, ref, to, "release"); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
	if _, err := from.Copy(ctx, ref, from, "release"); err != nil {
		t.Errorf("within a store: %v", err)
	}
	path := from.path(ref.dir(), "b")
	os.Chmod(path, 0o600)
	if err := os.WriteFile(path, []byte("3"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Copy(ctx, ref, to, "rotten"); err == nil || !strings.Contains(err.Error(), "file b") {
		t.Errorf("rot was copied on: %v", err)
	}
	if all, _ := to.All(); len(all) != 1 {
		t.Errorf("there is %v", all)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"newer":    {`{"format":"ovzpatch datastore","version":2,"name":"store","more":1}`, "version 2, this program knows up to 1: made by a newer ovzpatch"},
		"no":       {`{"format":"other","version":1,"name":"store"}`, "does not describe a datastore"},
		"zero":     {`{"format":"ovzpatch datastore","version":0,"name":"store"}`, "does not describe a datastore"},
		"bad name": {`{"format":"ovzpatch datastore","version":1,"name":"../x"}`, "datastore name"},
		"no json":  {`x`, "invalid character"},
		"no such":  {"", "make one with ovzpatch store init"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if tc.content != "" {
				if err := os.WriteFile(filepath.Join(dir, formatFile), []byte(tc.content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, dir)
			_, err := Open(dir, place(dir))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if name == "newer" && !errors.Is(err, ErrNewer) {
				t.Errorf("got %v", err)
			}
			if after := tree(t, dir); !slices.Equal(before, after) {
				t.Errorf("it wrote before it looked: %q", after)
			}
		})
	}
}

func TestOpenWritesNothing(t *testing.T) {
	s := newStore(t)
	dir := filepath.Dir(s.dir)
	before := tree(t, dir)
	if _, err := Open(s.dir, place(dir)); err != nil {
		t.Fatal(err)
	}
	if after := tree(t, dir); !slices.Equal(before, after) {
		t.Errorf("opening made %q", after)
	}
}

func TestInitRefuses(t *testing.T) {
	s := newStore(t)
	if _, err := Init(s.dir, "", place(t.TempDir())); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(full, "", place(full)); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
	if _, err := Init(t.TempDir(), "a/b", place(full)); err == nil {
		t.Error("a name with a slash")
	}
}

func TestNetworkFilesystemsAreRefused(t *testing.T) {
	s := newStore(t)
	defer func() { statfs = unix.Statfs }()
	for magic, want := range map[int64]string{
		0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB", 0x0bd00bd0: "Lustre", 0x00c36400: "Ceph",
		0x65735546: "network filesystem (", // a user space one: this machine's mount table says which
		0xef53:     "", 0x01021994: "", 0x9123683e: "", 0x58465342: "",
	} {
		statfs = func(path string, st *unix.Statfs_t) error {
			st.Type = magic
			return nil
		}
		for what, try := range map[string]func() error{
			"open": func() error { _, err := Open(s.dir, place(filepath.Dir(s.dir))); return err },
			"init": func() error { _, err := Init(t.TempDir(), "x", place(t.TempDir())); return err },
		} {
			err := try()
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s on %#x: %v", what, magic, err)
			}
		}
	}
}

func TestOthersStoresAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		// Who cannot give a store away has others' directories at hand.
		if err := checkOwner("/"); err == nil || !strings.Contains(err.Error(), "run ovzpatch as uid 0") {
			t.Errorf("got %v", err)
		}
		return
	}
	s := newStore(t)
	if err := os.Chown(s.dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir, place(filepath.Dir(s.dir))); err == nil || !strings.Contains(err.Error(), "run ovzpatch as uid 65534") {
		t.Errorf("got %v", err)
	}
}

// A store of the first form, with nothing but what that form must have.
func TestOldStoresOpen(t *testing.T) {
	dir := t.TempDir()
	archive, err := txtar.ParseFile("testdata/store-v1.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if err := txtar.Write(archive, filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	s, err := Open(filepath.Join(dir, "store"), place(dir))
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.All()
	if err != nil || len(all) != 2 {
		t.Fatalf("%v %v", all, err)
	}
	results, err := s.Verify(t.Context(), all, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil || !r.Verification.OK {
			t.Errorf("%+v", r)
		}
	}
	r, err := s.OpenSnapshot(t.Context(), all[1])
	if err != nil {
		t.Fatal(err)
	}
	m := r.Manifest
	if m.Owner == "" || !m.Protected || m.Notes == "" || m.Source.SHA256 == "" || m.Port.SHA256 == "" || m.Spec.SHA256 == "" ||
		len(m.Toolchain) == 0 || len(m.Options) == 0 || m.Log == "" || len(m.Verdicts) != 1 || len(m.Verdicts[0].Evidence) == 0 {
		t.Errorf("got %+v", m)
	}
	r.Close()
	put(t, s, all[0].Group, day.AddDate(1, 0, 0), "a", "1")
}

func TestNames(t *testing.T) {
	for s, ok := range map[string]bool{
		"kernel/ovzkernel-PAE.i686/2022-05-02T08:11:33Z":               true,
		"a/b/c/d/e/f/g/h/kernel/x/2022-05-02T08:11:33Z":                true,
		"a/b/c/d/e/f/g/h/i/kernel/x/2022-05-02T08:11:33Z":              false,
		"kernel/x+y~1^2/2022-05-02T08:11:33Z":                          true,
		"kernel/x/2022-05-02T08:11:33+00:00":                           false,
		"kernel/x/2022-02-30T08:11:33Z":                                false,
		"kernel/x/2022-05-02T08:11:33.5Z":                              false,
		"x/2022-05-02T08:11:33Z":                                       false,
		"ns/x/2022-05-02T08:11:33Z":                                    false,
		"../x/2022-05-02T08:11:33Z":                                    false,
		"kernel/-x/2022-05-02T08:11:33Z":                               false,
		"kernel/.x/2022-05-02T08:11:33Z":                               false,
		"/kernel/x/2022-05-02T08:11:33Z":                               false,
		"kernel/x y/2022-05-02T08:11:33Z":                              false,
		"kernel/" + strings.Repeat("x", 255) + "/2022-05-02T08:11:33Z": true,
		"kernel/" + strings.Repeat("x", 256) + "/2022-05-02T08:11:33Z": false,
		strings.Repeat("n", 32) + "/kernel/x/2022-05-02T08:11:33Z":     false,
	} {
		r, err := ParseRef(s)
		if (err == nil) != ok {
			t.Errorf("%s: %v", s, err)
		}
		if err == nil && r.String() != s {
			t.Errorf("%s became %s", s, r)
		}
	}
	// The longest names there may be must be storable and lockable.
	s := newStore(t)
	long := Group{Namespace(strings.TrimSuffix(strings.Repeat(strings.Repeat("-n"[1:], 31)+"/", 8), "/")), strings.Repeat("t", 31), "x" + strings.Repeat("-", 254)}
	ref := put(t, s, long, day, strings.Repeat("f", 255), "1")
	if err := s.SetNotes(t.Context(), ref, "x"); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), ref); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", "index.json", "a/b", "..", ".hidden", "-o", "a\nb", strings.Repeat("x", 256)} {
		w, err := s.Create(t.Context(), kernel, day)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddFile(t.Context(), name, bytes.NewReader(nil)); err == nil {
			t.Errorf("a file called %q", name)
		}
		w.Abort()
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
		return p != "store/" && p != "run/" && p != "run/locks/" && p != "store/"+formatFile
	}) {
		t.Errorf("left: %q", left)
	}
}

func TestManifestsAreNotTrusted(t *testing.T) {
	ref := kernel.At(day)
	good := fmt.Sprintf(`{"snapshot":%q,"finished":"2022-05-02T08:11:33Z","files":[]}`, ref)
	if _, err := parseManifest([]byte(good), ref); err != nil {
		t.Fatal(err)
	}
	sum := strings.Repeat("ab", 32)
	for _, bad := range []string{
		"", "{}", good + "x", good + good,
		strings.Replace(good, "files", "filez", 1),
		strings.Replace(good, "[]", `[{"name":"../x","size":1,"sha256":"`+sum+`"}]`, 1),
		strings.Replace(good, "[]", `[{"name":"x","size":-1,"sha256":"`+sum+`"}]`, 1),
		strings.Replace(good, "[]", `[{"name":"x","size":1,"sha256":"ab"}]`, 1),
		strings.Replace(good, "[]", `[{"name":"x","size":1,"sha256":"`+sum+`"},{"name":"x","size":1,"sha256":"`+sum+`"}]`, 1),
		strings.Replace(good, "PAE", "XEN", 1),
		strings.Replace(good, "}", `,"log":"none"}`, 1),
	} {
		if m, err := parseManifest([]byte(bad), ref); err == nil {
			t.Errorf("%s gave %+v", bad, m)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	ref := kernel.At(day)
	f.Add([]byte(fmt.Sprintf(`{"snapshot":%q,"finished":"2022-05-02T08:11:33Z","files":[{"name":"x","size":1,"sha256":"%s"}]}`, ref, strings.Repeat("ab", 32))))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b, ref)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatalf("read, but can't be written: %v", err)
		}
		if _, err := parseManifest(again, ref); err != nil {
			t.Fatal(err)
		}
		for _, f := range m.Files {
			if filepath.Base(f.Name) != f.Name {
				t.Errorf("file %q", f.Name)
			}
		}
	})
}

func FuzzParseRef(f *testing.F) {
	f.Add("a/kernel/x/2022-05-02T08:11:33Z")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		if r.String() != s || !filepath.IsLocal(r.dir()) || strings.ContainsAny(r.dir(), "\x00\n") {
			t.Errorf("%q became %q in %q", s, r, r.dir())
		}
	})
}
