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
		Long: `inspect reads packages whole, verifies every digest in them and, with --keyring, their
signatures, and says what they hold: files, modules, the kernel's release, and whether
the patch's message is in its image. If a file is damaged or is not a package, inspect
still reads the others, and ends with an error (1 for damage, 2 if it is not a package).

With --json it is always an array, with one element for each RPM that was named, in that
order; for one that could not be read, "error" says why, and the other fields are empty.`,
		Example: `  ovzpatch inspect rpms/*.rpm
  ovzpatch inspect kernel-2.6.18-92.i686.rpm --keyring RPM-GPG-KEY --json`,
		Args: cobra.MinimumNArgs(1),
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
