// SPDX-License-Identifier: Apache-2.0

package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents are all pages of the repository, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pages[file] = string(b)
		}
	}
	if len(pages) < 8 {
		t.Fatalf("only %d pages found", len(pages))
	}
	return pages
}

// ourPath matches what can only be a path in this repository. A kernel has docs and specs of
// its own, but not below these names with these endings.
var ourPath = regexp.MustCompile(`(?:^|[\s(\x60"])((?:\.ci|bin|cmd|docs|internal|kmod|packaging|patches|specs|LICENSES)/[\w./*<>{},-]+|(?:README|CONTRIBUTING|CHANGELOG)\.md|house_test\.go|licences_test\.go|REUSE\.toml)`)

func TestDocumentsNameFilesThatExist(t *testing.T) {
	seen := 0
	for page, text := range documents(t) {
		for _, m := range ourPath.FindAllStringSubmatch(text, -1) {
			path := strings.TrimRight(m[1], ".,;:/")
			if strings.ContainsAny(path, "<>{}") || strings.Contains(path, "LINE") || strings.HasPrefix(path, "bin/") {
				continue // a placeholder, or what make builds
			}
			seen++
			if found, err := filepath.Glob(path); err != nil || len(found) == 0 {
				t.Errorf("%s names %s, which does not exist", page, path)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d paths were found in the documents: does the pattern still match?", seen)
	}
}

// tourStop is a place of the tour in CONTRIBUTING.md: a file, and a function in it.
var tourStop = regexp.MustCompile("(?m)^\\d\\. `([\\w/]+\\.go)` `(\\w+)`")

func TestTourLeadsSomewhere(t *testing.T) {
	text := documents(t)["CONTRIBUTING.md"]
	stops := tourStop.FindAllStringSubmatch(text, -1)
	if len(stops) < 10 {
		t.Fatalf("only %d stops found", len(stops))
	}
	for _, stop := range stops {
		file, name := stop[1], stop[2]
		code, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("the tour stops at %s: %v", file, err)
			continue
		}
		if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + name + `\(`).Match(code) {
			t.Errorf("the tour stops at %s in %s, which has no such function: where is it now?", name, file)
		}
	}
}
