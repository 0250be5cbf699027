// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
)

func newShell(a *app) *cobra.Command {
	var f guestFlags
	c := &cobra.Command{
		Use:   "shell RPM",
		Short: "Open a shell in a guest that runs the kernel",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c, args); err != nil {
				return err
			}
			in, ok := c.InOrStdin().(*os.File)
			if !ok {
				return errors.New("a guest's console needs a file as standard input")
			}
			return f.shell().Talk(c.Context(), in, c.OutOrStdout(), a.trial(newUI(c)))
		},
	}
	f.register(c)
	return c
}
