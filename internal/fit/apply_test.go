// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
)

// All of it, without a command line: what would be done, what is done, and that it can be done once only.
func TestApply(t *testing.T) {
	dir := t.TempDir()
	tree, file := filepath.Join(dir, "tree"), filepath.Join(dir, "my.patch")
	text := "--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-old\n+new\n--- /dev/null\n+++ b/y.c\n@@ -0,0 +1 @@\n+y\n"
	if err := errors.Join(os.Mkdir(tree, 0o755), os.WriteFile(filepath.Join(tree, "x.c"), []byte("old\n"), 0o644), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	c := Change{Tree: tree, Port: Port{File: file}, Place: patch.Options{Strip: -1}, Report: job.Quiet{}}
	for _, tt := range []struct {
		dryRun, reverse bool
		want            string
	}{
		{true, false, "would patch x.c\nwould create y.c\n"},
		{false, false, "patched x.c\ncreated y.c\n"},
		{false, false, "the patch is already applied; nothing to do\n"},
		{true, true, "would reverse x.c\nwould remove y.c\n"},
		{false, true, "reversed x.c\nremoved y.c\n"},
		{false, true, "the patch is not applied; nothing to do\n"},
	} {
		c.DryRun, c.Place.Reverse = tt.dryRun, tt.reverse
		var out strings.Builder
		plan, err := Apply(t.Context(), c)
		if err == nil {
			err = c.WriteApplied(&out, plan)
		}
		if err != nil || !strings.HasSuffix(out.String(), tt.want) {
			t.Errorf("%+v: %v, %q", tt, err, out.String())
		}
	}
	// What does not fit is written where that was asked for.
	c.Place.Reverse, c.RejectDir = false, filepath.Join(dir, "rejects")
	if err := os.WriteFile(filepath.Join(tree, "x.c"), []byte("other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Apply(t.Context(), c)
	if _, ok := errors.AsType[*patch.NotApplicable](err); !ok {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(c.RejectDir, "x.c.rej")); err != nil || !strings.Contains(string(data), "+new") {
		t.Errorf("%q, %v", data, err)
	}
}

// What a patch calls its files does not command the terminal, and makes no lines that are none of ours.
func TestAppliedNames(t *testing.T) {
	plan := &patch.Plan{
		Changes:    []patch.Change{{Name: "x\npatched y.c", After: &patch.Content{}, Before: &patch.Content{}}},
		Placements: []patch.Placement{{File: "a\x1b[2J\nb.c"}},
	}
	var out strings.Builder
	if err := (Change{}).WriteApplied(&out, plan); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "\n") != 2 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q", out.String())
	}
}
