// SPDX-License-Identifier: Apache-2.0

package fit

import (
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
	return patch.NewPlan(p, tree.File, opt)
}
