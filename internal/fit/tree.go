// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"errors"
	"fmt"

	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
)

// Plan chooses the patch for a tree and places it.
func Plan(tree *patch.Tree, path string, port Port, opt patch.Options) (*patch.Plan, error) {
	if err := port.checkStrip(opt.Strip); err != nil {
		return nil, err
	}
	makefile, err := tree.File(MakefileName)
	if err != nil && port.File == "" {
		return nil, job.BadRequest(fmt.Errorf("%s: find out which kernel this is: %w; use --patch FILE for another tree", path, err))
	}
	// Most trees have none, and it only makes a version complete.
	rhelver, _ := tree.File(RhelverFile)
	choice, err := Choose(path, makefile.Data, rhelver.Data, "", port)
	if err != nil {
		return nil, err
	}
	p, err := patch.Parse(choice.Name, choice.Port)
	if err != nil {
		return nil, err
	}
	plan, err := patch.NewPlan(p, tree.File, opt)
	var no *patch.NotApplicable
	if errors.As(err, &no) && port.File == "" && !opt.Reverse {
		// A tree that a person works on gets no text that nobody has read.
		err = fmt.Errorf("%w\n\tour port does not fit this tree; to have one made for it: ovzpatch port %s -o my.patch, read it, then --patch my.patch", err, path)
	}
	return plan, err
}
