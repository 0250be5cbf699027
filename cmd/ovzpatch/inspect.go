// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newInspect(*app) *cobra.Command {
	var (
		key    keyFlags
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "inspect RPM...",
		Short: "Say what is in packages, and whether a kernel in them holds the patch",
		Long: `inspect reads packages whole, verifies every digest in them and, with --keyring, their
signatures, and says what they hold: files, modules, the kernel's release, and whether
the patch's message is in its image. A damaged package ends it with 1.`,
		Example: `  ovzpatch inspect rpms/*.rpm
  ovzpatch inspect kernel-2.6.18-92.i686.rpm --keyring RPM-GPG-KEY --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			u := newUI(c.ErrOrStderr())
			var list []*contents
			for _, path := range args {
				if len(args) > 1 {
					u.Live("reading %s", path)
				}
				p, err := lookInto(c.Context(), path, key.keyring)
				if err != nil {
					u.Done()
					return err
				}
				list = append(list, p)
			}
			u.Done()
			if asJSON {
				return printJSON(c.OutOrStdout(), list)
			}
			if err := contentsTable(c.OutOrStdout(), list); err != nil {
				return err
			}
			for _, p := range list {
				for _, s := range p.Verified {
					fmt.Fprintf(c.OutOrStdout(), "%s: verified: %s\n", p.File, oneLine(s))
				}
				for _, s := range p.Unverified {
					fmt.Fprintf(c.OutOrStdout(), "%s: NOT verified: %s\n", p.File, oneLine(s))
				}
			}
			return nil
		},
	}
	key.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write it as JSON")
	return c
}
