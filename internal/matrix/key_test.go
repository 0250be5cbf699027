// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	files := map[string]string{"m.toml": twoSources, "a.tar": "a", "b.tar": "b", "b.patch": "p", "program": "1"}
	keys := func(dir string) map[string]string {
		m := open(t, dir)
		if err := m.Digest(t.Context()); err != nil {
			t.Fatal(err)
		}
		of := map[string]string{}
		for _, c := range m.Cells {
			of[c.Name] = c.Key
		}
		return of
	}
	first := keys(write(t, files))
	for _, tt := range []struct {
		name, file, text string
		changed          []string // beginnings of names
	}{
		{"nothing", "other", "", nil},
		{"a source", "a.tar", "A", []string{"a/"}},
		{"a patch", "b.patch", "P", []string{"b/"}},
		{"the program", "program", "2", []string{"a/", "b/"}},
		{"an option", "m.toml", strings.Replace(twoSources, "force", "idle", 1), []string{"a/", "b/x86_64/with", "b/x86_64/PAE"}},
		{"how it is done", "m.toml", strings.Replace(twoSources, "jobs = 3", "jobs = 8", 1), nil},
		{"what is expected", "m.toml", strings.Replace(twoSources, "faulty", "inconclusive", 1), nil},
	} {
		changed := maps.Clone(files)
		changed[tt.file] = tt.text
		for name, key := range keys(write(t, changed)) {
			want := slices.ContainsFunc(tt.changed, func(s string) bool { return strings.HasPrefix(name, s) })
			if (key != first[name]) != want {
				t.Errorf("%s: the key of %s has changed: %t", tt.name, name, !want)
			}
		}
	}
}

func TestToolchainIsInTheKey(t *testing.T) {
	text := "axes = { variants = [\"check\", \"with\"] }\n[source.a]\npath = \"a.tar\"\n[source.b]\npath = \"b.tar\"\noptions.compile = true\n"
	dir := write(t, map[string]string{"m.toml": text, "a.tar": "a", "b.tar": "b", "program": "1", "bin/gcc": "#!/bin/sh\necho gcc 12.2.0\n"})
	t.Setenv("PATH", filepath.Join(dir, "bin")+":/usr/bin:/bin")
	keys := func() (list []string) {
		m := open(t, dir)
		if err := m.Digest(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Cells {
			list = append(list, c.Key)
		}
		return list
	}
	first, same := keys(), keys()
	if err := os.WriteFile(filepath.Join(dir, "bin/gcc"), []byte("#!/bin/sh\necho gcc 14.1.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, key := range keys() {
		if name := open(t, dir).Cells[i].Name; same[i] != first[i] || (key != first[i]) != (name != "a/x86_64/check") {
			t.Errorf("%s: %s, %s, and with another compiler %s", name, first[i], same[i], key)
		}
	}
}

func TestDigestsAreRemembered(t *testing.T) {
	dir := write(t, map[string]string{"a": "1"})
	w, path := &Work{dir}, filepath.Join(dir, "a")
	d := w.digests()
	first, err := d.of(path)
	if err == nil {
		err = d.keep()
	}
	if err != nil {
		t.Fatal(err)
	}
	again := w.digests()
	entry := again.Files[path]
	entry.SHA256 = "remembered"
	again.Files[path] = entry
	if got, err := again.of(path); got != "remembered" || err != nil {
		t.Errorf("%s, %v: it was read again", got, err)
	}
	// The same size, and the old time: the inode's own time tells.
	st, err := os.Stat(path)
	if err == nil {
		err = errors.Join(os.WriteFile(path, []byte("2"), 0o644), os.Chtimes(path, st.ModTime(), st.ModTime()))
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.of(path); got == "remembered" || got == first || err != nil {
		t.Errorf("%s, %v: the change was not seen", got, err)
	}
}
