// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/command"
	"ovzpatch/internal/testutil"
)

var update = flag.Bool("update", false, "write the golden files")

var specOfParts = testutil.KernelSpec

const patchName = "ovz-kernel-lustre-umount.patch"

func injection() Injection {
	return Injection{
		PatchFile: patchName, Tag: ".lustre1", Author: "A Tester <tester@example.com>",
		Date: time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC), Changes: []string{"fs: override forced umount of lustre inside containers"},
	}
}

func shapes(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("testdata/shapes/*/kernel.spec")
	if err != nil || len(list) == 0 {
		t.Fatalf("no shapes: %v", err)
	}
	return list
}

// The edit of each shape is what the golden diff says, and patch(1) agrees that the
// diff is one between the two.
func TestInjectDiffs(t *testing.T) {
	for _, file := range shapes(t) {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e, err := Read("kernel.spec", text).Inject(injection())
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join(filepath.Dir(file), "want.diff")
			if *update {
				if err := os.WriteFile(golden, []byte(e.Diff), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if e.Diff != string(want) {
				t.Errorf("got the diff\n%s\nwant\n%s", e.Diff, want)
			}
			checkDiff(t, text, e)
			if _, err := e.Spec.Inject(injection()); err == nil {
				t.Error("a second injection was not refused")
			}
		})
	}
}

// checkDiff applies the diff with patch(1).
func checkDiff(t *testing.T, text []byte, e Edited) {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "kernel.spec")
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	err := command.Run(t.Context(), command.Cmd{
		Args: []string{"patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch"}, Dir: dir, Stdin: strings.NewReader(e.Diff),
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, e.Diff)
	}
	if got, _ := os.ReadFile(name); !bytes.Equal(got, e.Spec.Text()) {
		t.Errorf("the diff does not give the edited text:\n%s", e.Diff)
	}
}
