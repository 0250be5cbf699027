// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a patch says and a tree's links lead to, nothing outside is touched.
func TestNothingOutsideTheTree(t *testing.T) {
	change := func(name string) string {
		return fmt.Sprintf("--- a/%s\n+++ b/%s\n@@ -1 +1 @@\n-secret\n+changed\n", name, name)
	}
	create := func(name string) string {
		return fmt.Sprintf("diff --git a/%s b/%s\nnew file mode 100644\n--- /dev/null\n+++ b/%s\n@@ -0,0 +1 @@\n+planted\n", name, name, name)
	}
	for _, test := range []struct {
		name  string
		patch string
		opt   Options
	}{
		{"parent directory", change("../outside/secret"), Options{Strip: 1}},
		{"parent directory further down", change("d/../../outside/secret"), Options{Strip: 1}},
		{"absolute name", strings.ReplaceAll(change("OUTSIDE/secret"), "a/OUTSIDE", "OUTSIDE"), Options{Strip: 0}},
		{"link to a file", change("filelink"), Options{Strip: 1}},
		{"through a link to a directory", change("dirlink/secret"), Options{Strip: 1}},
		{"create through a link to a directory", create("dirlink/planted"), Options{Strip: 1}},
		{"create in the parent", create("../outside/planted"), Options{Strip: 1}},
		{"rename out", "diff --git a/d/f b/../outside/planted\nsimilarity index 100%\nrename from d/f\nrename to ../outside/planted\n", Options{Strip: 1}},
		{"a link that the patch makes itself", "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+../outside\n\\ No newline at end of file\n" + create("l/planted"), Options{Strip: 1}},
		{"the journal", create(".ovzpatch/journal"), Options{Strip: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			top := t.TempDir()
			outside := filepath.Join(top, "outside")
			dir := filepath.Join(top, "tree")
			writeTree(t, top, map[string]string{"outside/secret": "secret\n", "tree/d/f": "secret\n"})
			for link, to := range map[string]string{"filelink": "../outside/secret", "dirlink": outside} {
				if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			before := shape(t, top)
			err := applyText(t.Context(), dir, strings.ReplaceAll(test.patch, "OUTSIDE", outside), test.opt)
			if err == nil {
				t.Error("the patch went in")
			}
			if got := shape(t, top); !maps.Equal(got, before) {
				t.Errorf("something changed:\n%v\nwant\n%v", got, before)
			}
		})
	}
}

// A link that stays in the tree is a way like any other.
func TestDirectoryLinkInsideTheTree(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{"real/f": "one\n"})
	if err := os.Symlink("real", filepath.Join(dir, "alias")); err != nil {
		t.Fatal(err)
	}
	if err := applyText(t.Context(), dir, "--- a/alias/f\n+++ b/alias/f\n@@ -1 +1 @@\n-one\n+ONE\n", Options{Strip: -1}); err != nil {
		t.Fatal(err)
	}
	if got := readTree(t, dir)["real/f"]; got != "ONE\n" {
		t.Errorf("the file is %q", got)
	}
}
