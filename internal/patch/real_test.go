// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"maps"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestRealPatchesAgainstGNUPatch returns both changes of the kernel's own history and
// files of other versions than the changes were made for.
func TestRealPatchesAgainstGNUPatch(t *testing.T) {
	// All others must be put in, or refused, as GNU patch does.
	known := map[string]difference{
		// GNU patch puts it, at fuzz 0, into the wrong one of two functions with the same lines.
		"2.6-7f3abf5c7c.txtar": inFunction,
		"2.6-454666eb78.txtar": applied,
	}
	cases, err := filepath.Glob("testdata/real/*.txtar")
	if err != nil || len(cases) < 5 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	moved := 0
	for _, file := range cases {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tr := trial{files: map[string]string{}}
		for _, f := range archive.Files {
			if f.Name == "patch" {
				tr.patch = string(f.Data)
			} else {
				tr.files[f.Name] = string(f.Data)
			}
		}
		for _, tr.fuzz = range []int{0, 1, 2} {
			how, detail := compareWithGNU(t, tr)
			want := known[filepath.Base(file)]
			if want == "" {
				want = none
			}
			if how != want {
				t.Errorf("%s, fuzz %d: %s, want %s\n%s", file, tr.fuzz, how, want, detail)
			}
			after, plan, err := ours(tr)
			if err != nil || plan.Applied {
				continue
			}
			for _, p := range plan.Placements {
				if p.Offset != 0 {
					moved++
				}
			}
			// What went in comes out again, to the byte.
			back, _, err := ours(trial{files: after, patch: tr.patch, reverse: true})
			if tr.fuzz == 0 && (err != nil || !maps.Equal(back, tr.files)) {
				t.Errorf("%s: reversed it leaves something else: %v", file, err)
			}
		}
	}
	if moved == 0 {
		t.Error("no hunk was at an offset: the cases are too easy")
	}
}
