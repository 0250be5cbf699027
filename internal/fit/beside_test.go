// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/patch"
)

// What a patch changes beside fs/namespace.c is not read, and may undo the hook.
func TestGateDoubtsOtherFiles(t *testing.T) {
	const hook = "--- a/fs/namespace.c\n+++ b/fs/namespace.c\n@@ -1 +1 @@\n-int a;\n+int b;\n"
	old := map[string]string{"fs/namespace.c": "int a;\n", "include/linux/fs.h": "int a;\n", "fs/Makefile": "int a;\n", "Documentation/l.h": "int a;\n", "n.txt": "int a;\n"}
	for _, tt := range []struct {
		other string
		doubt bool
	}{{"", false}, {"include/linux/fs.h", true}, {"fs/Makefile", true}, {"fs/new.c", true}, {"Documentation/l.h", false}, {"n.txt", false}} {
		text := hook
		switch {
		case tt.other != "" && old[tt.other] == "":
			text += "--- /dev/null\n+++ b/" + tt.other + "\n@@ -0,0 +1 @@\n+int b;\n"
		case tt.other != "":
			text += strings.ReplaceAll(hook, "fs/namespace.c", tt.other)
		}
		p, err := patch.Parse("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, applied := range []bool{false, true} {
			files := func(name string) (patch.Content, error) {
				data, ok := old[name]
				if applied && (name == gate.File || name == tt.other) {
					data, ok = "int b;\n", true
				}
				if !ok {
					return patch.Content{}, fs.ErrNotExist
				}
				return patch.Content{Data: []byte(data)}, nil
			}
			plan, err := patch.NewPlan(p, files, patch.Options{Strip: 1})
			if err != nil || plan.Applied != applied {
				t.Fatalf("%q: %+v, %v", tt.other, plan, err)
			}
			g, err := readGate(t.Context(), p, plan, files, func(_ context.Context, before, after []byte) (*gate.Gate, error) {
				if string(before) != "int a;\n" || string(after) != "int b;\n" {
					t.Errorf("before %q, after %q", before, after)
				}
				return &gate.Gate{Verdict: gate.Reached}, nil
			})
			if g == nil || (g.Verdict == gate.Unsure) != tt.doubt || (err != nil) != tt.doubt || tt.doubt && !strings.Contains(err.Error(), tt.other) {
				t.Errorf("%q, applied %v: %+v, %v", tt.other, applied, g, err)
			}
		}
	}
}
