// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"fmt"
	"io"
	"strings"

	"ovzpatch/internal/gate"
)

// Text writes the findings for people, a line each, the verdict last.
func (f *Findings) Text(w io.Writer) error {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s%s\n", what, fmt.Sprintf(format, args...))
	}
	row("source", "%s %s: %s", f.Kind, f.Source, DescribeKernel(f.Kernel, f.Line))
	if len(f.Problems) == 0 {
		row("patch", "%s, -p%d", f.Patch, f.Strip)
	} else {
		row("patch", "%s", f.Patch)
	}
	if f.Derived != nil {
		row("derived", "%s; nobody has tried it", f.Derived.Summary())
	}
	for _, t := range f.Tried {
		row("tried on", "%s", t)
	}
	if len(f.Tried) == 0 && f.Derived == nil {
		row("tried on", "nothing: nobody has said so in its header")
	}
	if f.Own != nil {
		f.Own.Rows(row)
	}
	for _, p := range f.Placements {
		row("place", "%s", PlacementLine(p))
	}
	for _, p := range f.Problems {
		row("problem", "%s", p)
	}
	for _, r := range f.Rejects {
		for l := range strings.Lines(string(r.Data)) {
			if text, ok := strings.CutPrefix(l, "#   "); ok {
				row("", "%s", strings.TrimSuffix(text, "\n"))
			}
		}
	}
	if f.Applied {
		row("applied", "it is already applied; there is nothing to do")
	}
	if f.Gate != nil {
		gateRows(f.Gate, row)
	}
	for _, l := range f.Checkpatch {
		row("checkpatch", "%s", l)
	}
	if f.Compiled != "" {
		row("compiled", "%s", f.Compiled)
	}
	row("verdict", "%s", f.verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

// gateRows says what the gate check found.
func gateRows(g *gate.Gate, row func(what, format string, args ...any)) {
	for _, s := range g.Steps {
		row("gate", "%s:%d %s(): %s: %s", gate.File, s.Line, s.Function, s.Kind, s.Text)
	}
	if g.Message != "" {
		row("message", "%q", g.Message)
	}
	for _, fault := range g.Faults {
		row("MISPLACED", "%s", fault)
	}
	for _, doubt := range g.Doubts {
		row("UNSURE", "%s", doubt)
	}
}

// verdict says in a few words what all of it comes to.
func (f *Findings) verdict() string {
	switch {
	case f.Gate != nil && f.Gate.Verdict == gate.Misplaced:
		return "FITS, BUT IS MISPLACED"
	case f.Gate != nil && f.Gate.Verdict == gate.Unsure:
		return "FITS, BUT IT IS UNSURE WHETHER THE HOOK WORKS"
	case f.Own != nil && len(f.Own.Problems) > 0:
		return "THE PACKAGE CANNOT BE BUILT WITH IT: see the problem"
	case !f.Fits:
		return "DOES NOT FIT"
	case f.Compiled == NotCompiled:
		return "FITS, BUT DOES NOT COMPILE: see the error"
	case f.Applied && f.Gate != nil:
		return "is already applied; hook found and reached"
	case f.Gate == nil:
		return "fits; the patch does not touch " + gate.File + ", so the gate was not checked"
	case f.Own != nil && len(f.Own.Unsure) > 0:
		return "fits; hook found and reached, but see what is unsure"
	}
	return "fits; hook found and reached"
}
