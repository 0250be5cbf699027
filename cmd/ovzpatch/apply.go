// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ovzpatch/internal/fit"
	"ovzpatch/internal/patch"
)

func newApply(_ *app) *cobra.Command {
	var (
		port      portFlags
		place     placeFlags
		reverse   bool
		dryRun    bool
		rejectDir string
	)
	c := &cobra.Command{
		Use:   "apply TREE",
		Short: "Apply the patch to an unpacked tree, or revert it, all or nothing",
		Long: `apply applies the patch to TREE: every hunk of every file, or nothing at all. If it
is stopped in the middle, even by SIGKILL, the next apply or check restores the tree.
If the patch is already applied, apply says so and leaves the tree alone.
` + exitLongText,
		Example: `  ovzpatch apply ~/src/linux
  ovzpatch apply ~/src/linux --reverse
  ovzpatch apply ~/src/linux --patch series.patch --reject-dir rejects`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			opt, err := place.options()
			if err != nil {
				return err
			}
			opt.Reverse = reverse
			tree, err := patch.OpenTree(args[0])
			if err != nil {
				return err
			}
			defer tree.Close()
			if tree.Recovered() {
				newUI(c).Say("an earlier run was stopped in the middle; the tree is now as it was before that run")
			}
			plan, err := fit.Plan(tree, args[0], port.Port, opt)
			if err != nil {
				return errors.Join(err, keepRejects(c.Context(), rejectDir, err))
			}
			if !dryRun && !plan.Applied {
				if err := tree.Apply(c.Context(), plan); err != nil {
					return err
				}
			}
			return sayApplied(c.OutOrStdout(), plan, reverse, dryRun)
		},
	}
	port.register(c)
	place.register(c)
	c.Flags().BoolVarP(&reverse, "reverse", "R", false, "revert the patch")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would be done")
	c.Flags().StringVar(&rejectDir, "reject-dir", "", "write the hunks that do not fit, with the most similar place for each, below this directory")
	return c
}

// keepRejects writes the rejects of a patch that does not fit.
func keepRejects(ctx context.Context, dir string, err error) error {
	var no *patch.NotApplicable
	if dir == "" || !errors.As(err, &no) {
		return nil
	}
	return patch.WriteRejects(ctx, dir, no.Rejects())
}

// sayApplied says what was done.
func sayApplied(w io.Writer, plan *patch.Plan, reverse, dryRun bool) error {
	switch {
	case plan.Applied && reverse:
		_, err := fmt.Fprintln(w, "the patch is not applied; nothing to do")
		return err
	case plan.Applied:
		_, err := fmt.Fprintln(w, "the patch is already applied; nothing to do")
		return err
	}
	for _, p := range plan.Placements {
		if _, err := fmt.Fprintln(w, fit.PlacementLine(p)); err != nil {
			return err
		}
	}
	for _, c := range plan.Changes {
		if _, err := fmt.Fprintln(w, changeWord(c, reverse, dryRun), c.Name); err != nil {
			return err
		}
	}
	return nil
}

// changeWord says what is done to a file.
func changeWord(c patch.Change, reverse, dryRun bool) string {
	done, todo := "patched", "patch"
	switch {
	case c.After == nil:
		done, todo = "removed", "remove"
	case c.Before == nil:
		done, todo = "created", "create"
	case reverse:
		done, todo = "reversed", "reverse"
	}
	if dryRun {
		return "would " + todo
	}
	return done
}
