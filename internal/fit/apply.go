// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/terminal"
)

// Change says how a tree is changed.
type Change struct {
	Tree      string // its path
	Port      Port
	Place     patch.Options
	DryRun    bool   // find out only what would be done
	RejectDir string // where the hunks that do not fit are written; "" for nowhere
	Report    job.Reporter
}

// Apply applies the patch to a tree, or reverts it, all or nothing. It returns what it did.
func Apply(ctx context.Context, c Change) (*patch.Plan, error) {
	tree, err := patch.OpenTree(c.Tree)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	switch tree.Recovered() {
	case patch.Undone:
		c.Report.Say("an earlier run was stopped in the middle; the tree is now as it was before that run")
	case patch.Completed:
		c.Report.Say("an earlier run was stopped when it had changed all files; the tree is now as that run meant it to be")
	case patch.Cleared:
		c.Report.Say("an earlier run was stopped before it changed a file, or when it had changed all; what it left of its own is gone now")
	}
	plan, err := planFor(tree, c)
	var no *patch.NotApplicable
	if c.RejectDir != "" && errors.As(err, &no) {
		err = errors.Join(err, patch.WriteRejects(ctx, c.RejectDir, no.Rejects()))
	}
	if err != nil {
		return nil, err
	}
	if !c.DryRun && !plan.Applied {
		err = tree.Apply(ctx, plan)
	}
	return plan, err
}

// planFor chooses the patch for a tree and places it.
func planFor(tree *patch.Tree, c Change) (*patch.Plan, error) {
	if err := c.Port.checkStrip(c.Place.Strip); err != nil {
		return nil, err
	}
	makefile, err := tree.File(MakefileName)
	if err != nil && c.Port.File == "" {
		return nil, job.BadRequest(fmt.Errorf("%s: find out which kernel this is: %w; use --patch FILE for another tree", c.Tree, err))
	}
	// Most trees have none, and it only makes a version complete.
	rhelver, _ := tree.File(RhelverFile)
	choice, err := Choose(c.Tree, makefile.Data, rhelver.Data, "", c.Port)
	if err != nil {
		return nil, err
	}
	p, err := patch.Parse(choice.Name, choice.Port)
	if err != nil {
		return nil, err
	}
	plan, err := patch.NewPlan(p, tree.File, c.Place)
	var no *patch.NotApplicable
	if errors.As(err, &no) && c.Port.File == "" && !c.Place.Reverse {
		// A tree that a person works on gets no text that nobody has read.
		err = fmt.Errorf("%w\n\tour port does not fit this tree; to have one made for it: ovzpatch port %s -o my.patch, read it, then --patch my.patch", err, c.Tree)
	}
	return plan, err
}

// WriteApplied writes for people what Apply did.
func (c Change) WriteApplied(w io.Writer, plan *patch.Plan) error {
	switch {
	case plan.Applied && c.Place.Reverse:
		_, err := fmt.Fprintln(w, "the patch is not applied; nothing to do")
		return err
	case plan.Applied:
		_, err := fmt.Fprintln(w, "the patch is already applied; nothing to do")
		return err
	}
	for _, p := range plan.Placements {
		if _, err := fmt.Fprintln(w, PlacementLine(p)); err != nil {
			return err
		}
	}
	for _, f := range plan.Changes {
		if _, err := fmt.Fprintln(w, c.word(f), terminal.Line(f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// word says what is done to a file.
func (c Change) word(f patch.Change) string {
	done, todo := "patched", "patch"
	switch {
	case f.After == nil:
		done, todo = "removed", "remove"
	case f.Before == nil:
		done, todo = "created", "create"
	case c.Place.Reverse:
		done, todo = "reversed", "reverse"
	}
	if c.DryRun {
		return "would " + todo
	}
	return done
}
