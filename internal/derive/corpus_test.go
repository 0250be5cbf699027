// SPDX-License-Identifier: Apache-2.0

package derive_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/derive"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/patch"
)

// readTree reads what deriving needs of an unpacked tree.
func readTree(t *testing.T, dir string) derive.Source {
	t.Helper()
	files := map[string][]byte{}
	for _, top := range []string{"include", "fs"} {
		filepath.WalkDir(filepath.Join(dir, top), func(path string, e os.DirEntry, err error) error {
			name, _ := filepath.Rel(dir, path)
			if err != nil || !e.Type().IsRegular() || top == "fs" && name != gate.File && (filepath.Ext(name) != ".h" || strings.Count(name, "/") > 1) {
				return nil
			}
			if data, err := os.ReadFile(path); err == nil && (filepath.Ext(name) == ".h" || name == gate.File) {
				files[name] = data
			}
			return nil
		})
	}
	makefile, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernel.Identify(makefile, nil)
	if err != nil {
		t.Fatal(err)
	}
	return derive.Source{Kernel: k.String(), Version: [3]int{k.Version, k.Patchlevel, k.Sublevel}, Plain: k.Release() == "", Files: files}
}

// TestTrees derives for each of the trees that OVZPATCH_TEST_SOURCES names, and prints a row
// of docs/ports.md for it. A port must be judged right, go in, and change what it says.
func TestTrees(t *testing.T) {
	trees := filepath.SplitList(os.Getenv("OVZPATCH_TEST_SOURCES"))
	if len(trees) == 0 {
		t.Skip("OVZPATCH_TEST_SOURCES names no kernel trees")
	}
	for _, pattern := range trees {
		dirs, _ := filepath.Glob(pattern)
		if len(dirs) == 0 {
			t.Errorf("%s: nothing is there", pattern)
		}
		for _, dir := range dirs {
			src := readTree(t, dir)
			p, err := derive.Derive(t.Context(), src, gate.NewNames(src.Files))
			var q *derive.Question
			switch {
			case errors.As(err, &q):
				t.Logf("| %s | %s | | | | | question: %s |", src.Kernel, filepath.Base(dir), strings.ReplaceAll(strings.TrimPrefix(q.Error(), "derive port: "), "\n\t", " / "))
			case err != nil:
				t.Errorf("%s: %v", dir, err)
			default:
				goesIn(t, src, p)
				g := "none"
				if p.Gate != "" {
					g = p.Gate
				}
				t.Logf("| %s | %s | %s | %s | %s | %s | %s |", src.Kernel, filepath.Base(dir), p.Function, g, p.ID, strings.TrimRight(p.Printk, "(, "), p.Judged.Verdict)
			}
		}
	}
}

// goesIn holds a derived port against the placer: it must go in without fuzz or offset, and
// its outcome must be what was judged.
func goesIn(t *testing.T, src derive.Source, p *derive.Port) {
	t.Helper()
	parsed, err := patch.Parse("derived.patch", p.Patch)
	if err != nil {
		t.Fatalf("%s: %v\n%s", src.Kernel, err, p.Patch)
	}
	plan, err := patch.NewPlan(parsed, func(name string) (patch.Content, error) {
		data, ok := src.Files[name]
		if !ok {
			return patch.Content{}, os.ErrNotExist
		}
		return patch.Content{Data: data, Mode: 0o644}, nil
	}, patch.Options{Strip: 1})
	if err != nil {
		t.Fatalf("%s: %v\n%s", src.Kernel, err, p.Patch)
	}
	for _, place := range plan.Placements {
		if place.Offset != 0 || place.Fuzz != 0 {
			t.Errorf("%s: hunk %d goes in at offset %d with fuzz %d", src.Kernel, place.Hunk, place.Offset, place.Fuzz)
		}
	}
	after, _ := plan.After(gate.File)
	if after == nil || p.Judged == nil || p.Judged.Verdict != gate.Reached {
		t.Fatalf("%s: %+v", src.Kernel, p.Judged)
	}
	if again, err := gate.Check(t.Context(), src.Files[gate.File], after.Data, gate.NewNames(src.Files)); err != nil || again.Verdict != gate.Reached {
		t.Errorf("%s: what goes in is %s: %v", src.Kernel, again.Verdict, err)
	}
}
