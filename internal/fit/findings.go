// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/source"
	"ovzpatch/internal/terminal"
)

// Findings are what is found about a patch and a source.
type Findings struct {
	Source     string            `json:"source"`
	Kind       source.Kind       `json:"kind"`
	Kernel     string            `json:"kernel"`
	Line       string            `json:"line"`
	Patch      string            `json:"patch"`
	Tried      []string          `json:"tried"`   // what the port was tried on, and how far
	Derived    *Derived          `json:"derived"` // how the port came about; null for one of ours or the user's
	Strip      int               `json:"strip"`
	Applied    bool              `json:"applied"` // the patch is in already
	Placements []patch.Placement `json:"placements"`
	Problems   []string          `json:"problems"`
	Own        *OwnFindings      `json:"own"`  // of a source RPM's own patches; null for other sources
	Gate       *gate.Gate        `json:"gate"` // null where the patch leaves fs/namespace.c alone
	Checkpatch []string          `json:"checkpatch"`
	Compiled   string            `json:"compiled"` // "" where not asked for
	Fits       bool              `json:"fits"`

	Rejects []patch.Reject `json:"-"` // the hunks that do not fit
}

// place fills in where the hunks go and what the gate check says.
func (f *Fit) place(ctx context.Context, p *patch.Patch, opt patch.Options) error {
	var err error
	f.Plan, err = patch.NewPlan(p, f.file, opt)
	if no, ok := errors.AsType[*patch.NotApplicable](err); ok {
		for _, problem := range no.Problems {
			f.Findings.Problems = append(f.Findings.Problems, problem.Error())
		}
		f.Findings.Rejects = no.Rejects()
	}
	if err != nil {
		return err
	}
	found := &f.Findings
	found.Strip, found.Applied, found.Placements = f.Plan.Strip, f.Plan.Applied, f.Plan.Placements
	found.Gate, err = readGate(ctx, p, f.Plan, f.file, f.checkGate)
	return err
}

// checker is gate.Check with what is known of the source.
type checker func(ctx context.Context, before, after []byte) (*gate.Gate, error)

// readGate has check look at the gate's file as a plan leaves it, and doubts what else the patch changes; nil where
// the plan leaves that file alone.
func readGate(ctx context.Context, p *patch.Patch, plan *patch.Plan, files patch.Files, check checker) (*gate.Gate, error) {
	content, err := files(gate.File)
	if err != nil {
		return nil, nil
	}
	before, after, whole := &content, &content, plan
	switch changed, is := plan.After(gate.File); {
	case is:
		after = changed
	case plan.Applied:
		if whole, err = patch.NewPlan(p, files, patch.Options{Strip: plan.Strip, Reverse: true}); err != nil {
			return nil, err
		}
		before, _ = whole.After(gate.File)
	}
	if before == nil || after == nil || !slices.ContainsFunc(whole.Changes, func(c patch.Change) bool { return c.Name == gate.File }) {
		return nil, nil
	}
	g, err := check(ctx, before.Data, after.Data)
	if _, wrong := errors.AsType[*gate.Error](err); err != nil && !wrong {
		return nil, err
	}
	for _, c := range whole.Changes {
		g.Beside(c.Name)
	}
	return g, g.Err()
}

// readNames is gate.Check with the names of this source.
func (f *Fit) readNames(ctx context.Context, before, after []byte) (*gate.Gate, error) {
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	return gate.Check(ctx, before, after, names)
}

// gateKind is what the answers of the gate check are kept as.
const gateKind = "gates"

// checkGate is the same, and keeps the answer for a tarball: it depends on the two texts, the headers and this program.
func (f *Fit) checkGate(ctx context.Context, before, after []byte) (*gate.Gate, error) {
	if f.own != nil || f.reading.digest == "" {
		return f.readNames(ctx, before, after)
	}
	k := cache.NewKey(gateKind).Add("tarball", f.reading.digest).Add("before", string(before)).Add("after", string(after))
	g, err := cache.Answer(f.cache, gateKind, k, func() (*gate.Gate, bool, error) {
		g, err := f.readNames(ctx, before, after)
		if _, wrong := errors.AsType[*gate.Error](err); wrong {
			err = nil // it is in the answer
		}
		return g, true, err
	})
	if err != nil {
		return nil, err
	}
	return g, g.Err()
}

// PlacementLine says where one hunk went, in one line of text, whatever the patch calls its files.
func PlacementLine(p patch.Placement) string {
	s := fmt.Sprintf("%s:%d hunk %d, offset %d, fuzz %d", p.File, p.Line, p.Hunk, p.Offset, p.Fuzz)
	if len(p.Functions) > 0 {
		s += ", in " + strings.Join(p.Functions, "(), ") + "()"
	}
	return terminal.Line(s)
}

// DescribeKernel says which kernel it is; "" is for what is none, or of no line.
func DescribeKernel(name, line string) string {
	switch {
	case name == "":
		return "no kernel"
	case line == "":
		return "kernel " + name + ", of no line"
	}
	return "kernel " + name + ", line " + line
}
