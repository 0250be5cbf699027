// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"ovzpatch/internal/fit"
)

func newApply(_ *app) *cobra.Command {
	var (
		port    portFlags
		place   placeFlags
		reverse bool
		how     fit.Change
	)
	c := &cobra.Command{
		Use:   "apply TREE",
		Short: "Apply the patch to an unpacked tree, or revert it, all or nothing",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			how.Tree, how.Port, how.Report = args[0], port.Port, newUI(c)
			var err error
			if how.Place, err = place.options(); err != nil {
				return err
			}
			how.Place.Reverse = reverse
			plan, err := fit.Apply(c.Context(), how)
			if err != nil {
				return err
			}
			return how.WriteApplied(c.OutOrStdout(), plan)
		},
	}
	port.register(c)
	place.register(c)
	c.Flags().BoolVarP(&reverse, "reverse", "R", false, "revert the patch")
	c.Flags().BoolVar(&how.DryRun, "dry-run", false, "only show what would be done")
	c.Flags().StringVar(&how.RejectDir, "reject-dir", "", "write the hunks that do not fit, with the most similar place for each, below this directory")
	return c
}
