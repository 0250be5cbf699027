// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ovzpatch/internal/report"
)

// Every call of ovzpatch in a document names a command that exists, and flags that it has.
func TestDocumentsNameFlagsThatExist(t *testing.T) {
	pages, err := filepath.Glob("../../*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	root, calls := newRoot(), 0
	for _, page := range slices.Concat(pages, more) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range callsIn(string(text)) {
			calls++
			if problem := check(root, call); problem != "" {
				t.Errorf("%s: `%s`: %s", page, call, problem)
			}
		}
	}
	if calls < 40 {
		t.Errorf("only %d calls were found in the documents: does the pattern still match?", calls)
	}
}

var (
	inText  = regexp.MustCompile("`(ovzpatch [^`]+)`")
	inBlock = regexp.MustCompile(`(?m)^(?:    |[$#] )(?:bin/)?(ovzpatch .*)$`)
	quoted  = regexp.MustCompile(`'[^']*'`)
	flag    = regexp.MustCompile(`(?:^|\s)(--[a-z][a-z-]*|-[a-z])\b`)
)

func callsIn(text string) []string {
	var calls []string
	for _, pattern := range []*regexp.Regexp{inText, inBlock} {
		for _, m := range pattern.FindAllStringSubmatch(text, -1) {
			call, _, _ := strings.Cut(m[1], " #")
			calls = append(calls, strings.Join(strings.Fields(call), " "))
		}
	}
	return calls
}

func check(root *cobra.Command, call string) string {
	// What comes after a pipe or --, or in quotes, belongs to other programs.
	call, _, _ = strings.Cut(call, " | ")
	call, _, _ = strings.Cut(call, " -- ")
	call = quoted.ReplaceAllString(call, "QUOTED")
	words := strings.Fields(call)[1:]
	if words[0] == "..." || strings.HasPrefix(words[0], "-") {
		return ""
	}
	c, _, err := root.Find(words)
	if err != nil || c == root {
		return "there is no such command"
	}
	c.InheritedFlags() // merges those of the root into Flags
	c.InitDefaultHelpFlag()
	for _, m := range flag.FindAllStringSubmatch(call, -1) {
		name := strings.TrimLeft(m[1], "-")
		if strings.HasPrefix(m[1], "--") && c.Flags().Lookup(name) == nil ||
			!strings.HasPrefix(m[1], "--") && c.Flags().ShorthandLookup(name) == nil {
			return "there is no flag " + m[1]
		}
	}
	return ""
}

func TestDocumentCheckFindsWhatIsWrong(t *testing.T) {
	for call, want := range map[string]string{
		"ovzpatch chek SOURCE":                   "there is no such command",
		"ovzpatch check SOURCE --no-such":        "there is no flag --no-such",
		"ovzpatch store list -z":                 "there is no flag -z",
		"ovzpatch check SOURCE --line vz7-3.10":  "",
		"ovzpatch build SOURCE -o rpms --compat": "",
		"ovzpatch --help":                        "",
	} {
		if got := check(newRoot(), call); got != want {
			t.Errorf("%s: %q, want %q", call, got, want)
		}
	}
}

// The pipelines in docs/ci call commands and flags that exist, too.
func TestPipelinesNameFlagsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/ci/pipeline.sh")
	if err != nil {
		t.Fatal(err)
	}
	run, _, err := newRoot().Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(string(text), -1) {
		if run.Flags().Lookup(flag[1]) == nil {
			t.Errorf("docs/ci/pipeline.sh: ovzpatch run has no --%s", flag[1])
		}
	}
	values := regexp.MustCompile(`"(junit=[^"]*)"`).FindStringSubmatch(string(text))
	if values == nil {
		t.Fatal("docs/ci/pipeline.sh asks for no report")
	}
	files, err := report.ParseFiles(strings.Split(values[1], ","))
	if err != nil {
		t.Error(err)
	}
	pipelines, err := os.ReadFile("../../docs/ci/gitlab-ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"junit.xml", "codequality.json"} {
		if !slices.ContainsFunc(files, func(f report.File) bool { return f.Path == "$out/"+name }) || !strings.Contains(string(pipelines), "results/"+name) {
			t.Errorf("results/%s is not what both the script and gitlab-ci.yml name", name)
		}
	}
}
