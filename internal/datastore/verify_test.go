// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

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
		"link":     {func(d string) error { os.Remove(d + "/a.rpm"); return os.Symlink("b.rpm", d+"/a.rpm") }, "a.rpm", "symbolic link"},
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
			got, err := s.Verify(t.Context(), []Ref{ref, other}, true, func(p Progress) { at = p })
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
	if v, err := to.Verify(ctx, []Ref{got}, true, nil); err != nil || !v[0].Verification.OK {
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
