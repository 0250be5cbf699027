// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"ovzpatch/internal/kernelrpm"
)

func newInspect(*app) *cobra.Command {
	var (
		key keyFlags
		out jsonFlag
	)
	c := &cobra.Command{
		Use:   "inspect RPM...",
		Short: "Show what is in packages, and whether a kernel in them holds the patch",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			all, bad := kernelrpm.LookAll(c.Context(), args, key.keyring, newUI(c))
			if all == nil {
				return bad
			}
			return errors.Join(out.print(c, all, func(w io.Writer) error { return kernelrpm.WriteVerified(w, all) }), bad)
		},
	}
	key.register(c)
	out.register(c, "write it as JSON")
	return c
}
