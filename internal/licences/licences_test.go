// SPDX-License-Identifier: Apache-2.0

package licences

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func shipped(t *testing.T) []Module {
	t.Helper()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	programs, err := Shipped(makefile)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := Linked(t.Context(), "../..", programs...)
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

func TestEveryLinkedModuleFits(t *testing.T) {
	modules := shipped(t)
	for _, m := range modules {
		t.Logf("%s %s: %s", m.Path, m.Version, strings.Join(m.Licences, " AND "))
		for _, id := range m.Licences {
			if !slices.Contains(Fit, id) {
				t.Errorf("%s %s is under %s (%s): a program under Apache-2.0 may not link it; see docs/design.md, Licences",
					m.Path, m.Version, id, strings.Join(m.Files, ", "))
			}
		}
	}
	// One of each kind, so that a list that is read wrong does not pass as a short one.
	for _, want := range []string{"github.com/spf13/cobra", "golang.org/x/sys", "mvdan.cc/sh/v3", "the Go standard library"} {
		if !slices.ContainsFunc(modules, func(m Module) bool { return m.Path == want }) {
			t.Errorf("%s is not in the list", want)
		}
	}
}

// What our own packages say is what is in them.
func TestPackagesStateTheLicences(t *testing.T) {
	want := Expression(shipped(t))
	spec, err := os.ReadFile("../../packaging/ovzpatch.spec")
	if err != nil {
		t.Fatal(err)
	}
	if line := "License:        " + want + "\n"; !strings.Contains(string(spec), line) {
		t.Errorf("packaging/ovzpatch.spec lacks the line %q", line)
	}
	deb, err := os.ReadFile("../../packaging/debian/copyright")
	if err != nil {
		t.Fatal(err)
	}
	for id := range strings.SplitSeq(want, " AND ") {
		if !strings.Contains(string(deb), id) {
			t.Errorf("packaging/debian/copyright does not name %s", id)
		}
	}
}

func TestRecognize(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join("../../LICENSES", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	apache, gpl := read("Apache-2.0.txt"), read("GPL-2.0-only.txt")
	for _, tc := range []struct {
		name, text string
		want       string // identifiers, or "" for an error
	}{
		{"Apache", apache, "Apache-2.0"},
		{"GPL", gpl, "GPL-2.0"},
		{"two licences in one file", apache + "\n\n" + gpl, "Apache-2.0 GPL-2.0"},
		{"none", "All rights reserved. You may not copy this.\n", ""},
		{"empty", "", ""},
		{"a known text and as much unknown", apache + strings.Repeat("You may use this on Sundays only, and must pay us each time you do. ", 200), ""},
	} {
		ids, err := Recognize([]byte(tc.text))
		if got := strings.Join(ids, " "); got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s: got %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
}

// A module without a licence file, and one whose package has a licence of its own.
func TestLinkedReadsWhatLiesBelow(t *testing.T) {
	dir := t.TempDir()
	gpl, err := os.ReadFile("../../LICENSES/GPL-2.0-only.txt")
	if err != nil {
		t.Fatal(err)
	}
	apache, err := os.ReadFile("../../LICENSES/Apache-2.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod":                 "module example.com/top\n\ngo 1.26\n\nrequire example.com/part v1.0.0\n\nreplace example.com/part => ./part\n",
		"main.go":                "package main\n\nimport _ \"example.com/part/taken/deep\"\n\nfunc main() {}\n",
		"part/go.mod":            "module example.com/part\n\ngo 1.26\n",
		"part/taken/deep/one.go": "package deep\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program := Program{Packages: []string{"."}, Arch: "amd64"}
	if _, err := Linked(t.Context(), dir, program); err == nil || !strings.Contains(err.Error(), "no licence file") {
		t.Errorf("a module without a licence: %v", err)
	}
	for name, text := range map[string][]byte{"part/LICENSE": apache, "part/taken/COPYING": gpl} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	modules, err := Linked(t.Context(), dir, program)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(modules, func(m Module) bool { return m.Path == "example.com/part" }); i < 0 ||
		!slices.Equal(modules[i].Licences, []string{"Apache-2.0", "GPL-2.0"}) {
		t.Errorf("got %+v", modules)
	}
}
