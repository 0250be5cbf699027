// SPDX-License-Identifier: Apache-2.0

package mutant_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"ovzpatch/internal/mutant"
)

// Every line's port has sixty mutants at least, each a patch that can be read, under a name of
// its own.
func TestGenerate(t *testing.T) {
	ports, err := filepath.Glob("../../patches/*/ovz-kernel-lustre-umount.patch")
	if err != nil || len(ports) < 6 {
		t.Fatalf("%d ports, %v", len(ports), err)
	}
	for _, name := range ports {
		port, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		line := filepath.Base(filepath.Dir(name))
		mutants, err := mutant.Generate(port)
		if err != nil {
			t.Fatal(err)
		}
		if len(mutants) < 60 {
			t.Errorf("%s: %d mutants", line, len(mutants))
		}
		names, rules := map[string]bool{}, map[string]int{}
		for _, m := range mutants {
			rules[m.Rule]++
			if names[m.Name] {
				t.Errorf("%s: two are called %q", line, m.Name)
			}
			names[m.Name] = true
			if string(m.Patch) == string(port) {
				t.Errorf("%s: %s is the port", line, m.Name)
			}
			files, _, err := gitdiff.Parse(strings.NewReader(string(m.Patch)))
			if err != nil || len(files) != 1 || !strings.HasSuffix(files[0].NewName, "fs/namespace.c") {
				t.Errorf("%s: %s is no patch: %v\n%s", line, m.Name, err, m.Patch)
			}
		}
		t.Logf("%s: %d mutants %v", line, len(mutants), rules)
	}
}

func TestGenerateRefuses(t *testing.T) {
	for name, port := range map[string]string{
		"nothing":   "",
		"no hunk":   "--- a/x\n+++ b/x\n",
		"no header": "--- a/x\n+++ b/x\n@@ x @@\n",
		"no line":   "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n?b\n",
	} {
		if m, err := mutant.Generate([]byte(port)); err == nil {
			t.Errorf("%s: %d mutants", name, len(m))
		}
	}
}
