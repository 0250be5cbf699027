// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

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

// A verdict is written into a store of an older version: programs that do not know its fields must
// refuse the store, and not say that the manifest is broken.
func TestUpdateMigrates(t *testing.T) {
	s := newStore(t)
	ref := put(t, s, kernel, day, "a", "1")
	f, err := s.readFormat()
	if err != nil {
		t.Fatal(err)
	}
	f.Version = 2
	if err := s.writeFormat(f); err != nil {
		t.Fatal(err)
	}
	err = s.UpdateManifest(t.Context(), ref, func(m *Manifest) error {
		m.Verdicts = []Verdict{{Time: day, Verdict: "protected"}, {Time: day, Verdict: "vulnerable", Control: true}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if now, err := s.readFormat(); err != nil || now.Version != Version || now.UUID != f.UUID || now.ByName != "" {
		t.Errorf("%+v, %v", now, err)
	}
	list, err := s.List(t.Context(), []Ref{ref})
	if err != nil || len(list) != 1 || list[0].Verdict != "protected" {
		t.Errorf("a list takes the control's verdict for the kernel's: %+v, %v", list, err)
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
		strings.Replace(good, "}", `,"verdicts":[{"time":"2022-05-02T08:11:33Z","verdict":"protected","sha256":"ab"}]}`, 1),
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
