// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
)

// pathIn is the path of a kernel in a result.
func pathIn(r *Result, version string) string {
	for _, k := range r.Generation.Kernels() {
		if k.Version == version {
			return k.Path
		}
	}
	return ""
}

// What is damaged in the current generation is made anew, also where the same is published again.
func TestDamagedIsNotUnchanged(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.keep("x86_64", "2", func(m *datastore.Manifest) { m.Verdicts = nil })
	f.o.URL, f.o.AllowUnproved = "https://example.org/k", true
	f.o.Advisory = &Advisory{ID: "OVZ-2026:001", Severity: "Low", Description: "text"}
	last := f.publish()
	remove := func(path string) error { return os.Remove(path) }
	change := func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[len(b)-1] ^= 1
		return os.WriteFile(path, b, 0o644)
	}
	cut := func(path string) error { return os.Truncate(path, 100) }
	elsewhere := func(path string) error {
		dir, err := os.MkdirTemp(testRoot, "elsewhere")
		to := filepath.Join(dir, "same")
		return errors.Join(err, os.Rename(path, to), os.Symlink(to, path))
	}
	metadata := func() string {
		md, err := readRepomd(filepath.Join(f.o.To, currentLink, "modern"))
		if err != nil {
			t.Fatal(err)
		}
		return md.Data[0].Location.Href
	}
	updateinfo := func() string {
		md, err := readRepomd(filepath.Join(f.o.To, currentLink, "modern"))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range md.Data {
			if d.Type == "updateinfo" {
				return d.Location.Href
			}
		}
		t.Fatal("there is no updateinfo")
		return ""
	}
	pkg := func() string { return last.Generation.Kernels()[0].Path }
	is := func(path string) func() string { return func() string { return path } }
	for _, tt := range []struct {
		what   string
		path   func() string
		damage func(string) error
		want   string
	}{
		{"all", is(""), os.RemoveAll, "modern/repodata/repomd.xml: it is missing"},
		{"a package is gone", pkg, remove, ".x86_64.rpm: it is missing"},
		{"a package is cut", pkg, cut, ".x86_64.rpm: it is not what was published"},
		{"a package is changed", pkg, change, ".x86_64.rpm: it is not what was published"},
		{"repomd.xml is changed", is("repodata/repomd.xml"), change, "repodata/repomd.xml: its signature is not good"},
		{"the signature is gone", is("repodata/repomd.xml.asc"), remove, "repodata/repomd.xml: its signature: it is missing"},
		{"a package is a link", pkg, elsewhere, ".x86_64.rpm: it is not what was published"},
		{"repomd.xml is a link", is("repodata/repomd.xml"), elsewhere, "repodata/repomd.xml: it is not what was published"},
		{"the signature is a link", is("repodata/repomd.xml.asc"), elsewhere, "repodata/repomd.xml: its signature: it is not what was published"},
		{"the report is a link", is("../evidence/kernel-ovz-6.1.1-1.lustre1.x86_64.json"), elsewhere, "the report that it names: it is not what was published"},
		{"metadata are gone", metadata, remove, ": it is missing"},
		{"metadata are cut", metadata, cut, ": it is not what was published"},
		{"the key is changed", is("../" + keyFile), change, keyFile + ": it is not what was published"},
		{"the page is gone", is("../" + pageFile), remove, pageFile + ": it is missing"},
		{"the page is changed", is("../" + pageFile), change, pageFile + ": it is not what was published"},
		{"the .repo file is changed", is("../ovzpatch-modern.repo"), change, "ovzpatch-modern.repo: it is not what was published"},
		{"the list of mirrors is changed", is("../ovzpatch-modern.mirrorlist"), change, "ovzpatch-modern.mirrorlist: it is not what was published"},
		{"the mark is changed", is("../UNPROVED"), change, "UNPROVED: it is not what was published"},
		{"the mark is gone", is("../UNPROVED"), remove, "UNPROVED: it is missing"},
		{"the notices are changed", updateinfo, change, "updateinfo.xml.xz: it is not what was published"},
		{"the notices are gone", updateinfo, remove, "updateinfo.xml.xz: it is missing"},
		{"the report is changed", is("../evidence/kernel-ovz-6.1.1-1.lustre1.x86_64.json"), change, "the report is not the one that it names"},
	} {
		f.said.b.Reset()
		name := tt.path()
		number := last.Generation.Number
		if err := tt.damage(filepath.Join(f.o.To, currentLink, "modern", name)); err != nil {
			t.Fatal(err)
		}
		next := f.publish()
		said := f.said.b.String()
		if !next.Changed || next.Generation.Number != number+1 || !strings.Contains(said, "is damaged, and a new one is made") || !strings.Contains(said, tt.want) {
			t.Errorf("%s: changed %t, generation %d; it said %q", tt.what, next.Changed, next.Generation.Number, said)
		}
		f.whole(number + 1)
		last = next
		if again := f.publish(); again.Changed {
			t.Errorf("%s: mended, and not the same: %+v", tt.what, again.Generation)
		}
	}
}

// A generation that an earlier release made says less of its files. It is read, and nothing is made for that alone.
func TestRecordOfAnEarlierRelease(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.o.URL = "https://example.org/k"
	f.publish()
	dir := filepath.Join(f.o.To, currentLink)
	r, err := readRecord(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 4 {
		t.Errorf("%v", r.Files)
	}
	r.Version, r.Files = 1, nil
	if err := writeRecord(dir, r); err != nil {
		t.Fatal(err)
	}
	if res := f.publish(); res.Changed {
		t.Errorf("%+v", res.Generation)
	}
	if err := os.Remove(filepath.Join(dir, "ovzpatch-modern.repo")); err != nil {
		t.Fatal(err)
	}
	if res := f.publish(); !res.Changed || !strings.Contains(f.said.b.String(), "ovzpatch-modern.repo: it is missing") {
		t.Errorf("%+v", res.Generation)
	}
}

// What is lost of earlier generations does not stop a publish or a rollback.
func TestLostGenerations(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.publish()
	f.keep("x86_64", "2", nil)
	f.publish()
	lose := func(number int) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(f.o.To, generationsDir, generationName(number), "modern")); err != nil {
			t.Fatal(err)
		}
	}
	lose(2)
	o := f.o
	o.Names = nil
	res, err := Rollback(t.Context(), o, 0)
	if err != nil || len(res.Generation.Kernels()) != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	f.whole(3)
	if said := f.said.b.String(); !strings.Contains(said, "WARNING: clients that read the metadata of generation 2 before will not find") || !strings.Contains(said, "modern/repodata, as its repomd.xml cannot be read") {
		t.Errorf("it said %q", said)
	}
	if _, err := Rollback(t.Context(), o, 2); err == nil || !strings.Contains(err.Error(), "is missing or damaged in generation 2, and in the others that held it; publish from the datastore") {
		t.Errorf("%v", err)
	}
	f.whole(3)
	for number := range 3 {
		lose(number + 1)
	}
	if res := f.publish(); res.Generation.Number != 4 || len(res.Generation.Kernels()) != 2 {
		t.Errorf("%+v", res.Generation)
	}
	f.whole(4)
}
