// SPDX-License-Identifier: Apache-2.0

package house

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// Every file is under the licence that REUSE.toml says, and its own SPDX line, if it has
// one, says the same. What Go, a shell or make reads has one.
func TestLicenceOfEveryFile(t *testing.T) {
	var reuse struct {
		Annotations []struct {
			Path    any    // one pattern or many
			Licence string `toml:"SPDX-License-Identifier"`
		}
	}
	if _, err := toml.DecodeFile("REUSE.toml", &reuse); err != nil {
		t.Fatal(err)
	}
	of := func(file string) string {
		licence := ""
		for _, a := range reuse.Annotations {
			patterns, ok := a.Path.([]any)
			if !ok {
				patterns = []any{a.Path}
			}
			for _, p := range patterns {
				if matchPath(p.(string), file) {
					licence = a.Licence
				}
			}
		}
		return licence
	}
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("list files: %v: run the tests in a clone", err)
	}
	files := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	if len(files) < 100 {
		t.Fatalf("only %d files found", len(files))
	}
	used := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // deleted and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		want := of(file)
		used[want] = true
		got := spdxLine(text)
		switch {
		case got == "" && needsLine(file):
			t.Errorf("%s has no SPDX line: write SPDX-License-Identifier: %s at its top", file, want)
		case got != "" && got != want:
			t.Errorf("%s says %s, REUSE.toml says %s: docs/design.md, Licences, tells which is which", file, got, want)
		}
	}
	for licence := range used {
		if _, err := os.Stat("LICENSES/" + licence + ".txt"); err != nil {
			t.Errorf("the text of %q is missing: %v", licence, err)
		}
	}
}

// matchPath is REUSE's: * stands for anything but a slash, ** for anything.
func matchPath(pattern, file string) bool {
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(expr, `\*\*`, `.*`)
	expr = strings.ReplaceAll(expr, `\*`, `[^/]*`)
	return regexp.MustCompile("^" + expr + "$").MatchString(file)
}

// spdxLine returns what the SPDX line among a file's first three says, or "".
func spdxLine(text []byte) string {
	lines := bytes.SplitN(text, []byte("\n"), 4)
	for _, line := range lines[:min(3, len(lines))] {
		if m := spdx.FindSubmatch(line); m != nil {
			return string(m[1])
		}
	}
	return ""
}

var spdx = regexp.MustCompile(`^(?://|#|/\*|<!--) SPDX-License-Identifier: (.+?)(?: \*/| -->)?$`)

func needsLine(file string) bool {
	if strings.Contains(file, "/testdata/") && path.Ext(file) != ".go" {
		return false
	}
	return slices.Contains([]string{".go", ".sh", ".c", ".mk", ".config"}, path.Ext(file)) ||
		slices.Contains([]string{"Makefile", "Kbuild", "run", "test-systems", "preinst", "kernel-ovz.spec", "ovzpatch.spec"}, path.Base(file))
}
