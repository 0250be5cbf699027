// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"
)

func TestOpenRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"newer":    {`{"format":"ovzpatch datastore","version":5,"name":"store","more":1}`, "version 5, and this program knows up to 4: a newer ovzpatch made it"},
		"no":       {`{"format":"other","version":1,"name":"store"}`, "does not describe a datastore"},
		"zero":     {`{"format":"ovzpatch datastore","version":0,"name":"store"}`, "does not describe a datastore"},
		"bad name": {`{"format":"ovzpatch datastore","version":1,"name":"../x"}`, "datastore name"},
		"no json":  {`x`, "invalid character"},
		"no such":  {"", "make one with ovzpatch store init"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
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
	if _, err := Init(s.dir, "", place(memoryDir(t))); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
	full := memoryDir(t)
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(full, "", place(full)); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
	if _, err := Init(memoryDir(t), "a/b", place(full)); err == nil {
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
			"init": func() error { _, err := Init(memoryDir(t), "x", place(memoryDir(t))); return err },
		} {
			err := try()
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s on %#x: %v", what, magic, err)
			}
		}
	}
}

// Another user's store can be listed and looked at, but its locks cannot be taken.
func TestOthersStoresAreOnlyLookedAt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a store away")
	}
	s := newStore(t)
	ref := put(t, s, kernel, day, "a", "1")
	if err := os.Chown(s.dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	o, err := Open(s.dir, place(memoryDir(t)))
	if err != nil {
		t.Fatal(err)
	}
	if list, err := o.List(t.Context(), []Ref{ref}); err != nil || len(list) != 1 || list[0].Problem != "" {
		t.Errorf("%+v %v", list, err)
	}
	if r, err := o.Look(t.Context(), ref); err != nil || len(r.Manifest.Files) != 1 {
		t.Error(err)
	}
	if got, err := o.Verify(t.Context(), []Ref{ref}, false, nil); err != nil || len(got) != 1 || got[0].Err != nil || !got[0].Verification.OK {
		t.Errorf("%+v %v", got, err)
	}
	if err := o.Remove(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "run ovzpatch as uid 65534") {
		t.Errorf("got %v", err)
	}
}

// A store of each form, with nothing but what that form must have.
func TestOldStoresOpen(t *testing.T) {
	for _, archive := range []string{"testdata/store-v1.txtar", "testdata/store-v2.txtar", "testdata/store-v3.txtar", "testdata/store-v4.txtar"} {
		t.Run(archive, func(t *testing.T) { openOld(t, archive) })
	}
}

func openOld(t *testing.T, path string) {
	dir := memoryDir(t)
	archive, err := txtar.ParseFile(path)
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
	results, err := s.Verify(t.Context(), all, true, nil)
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
