// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/terminal"
)

func newExec(a *app) *cobra.Command {
	var f guestFlags
	c := &cobra.Command{
		Use:   "exec [RPM] -- COMMAND [ARG...]",
		Short: "Run one command in a guest with that kernel, and return its exit status",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			at := c.ArgsLenAtDash()
			if at < 0 || at == len(args) {
				return usage(fmt.Errorf("name a command after --, as %s RPM -- uname -r", c.CommandPath()))
			}
			if at > 1 {
				return usage(fmt.Errorf("%q is one argument too many before --; the command stands after it", args[1]))
			}
			if err := f.check(c, args[:at]); err != nil {
				return err
			}
			shown, err := f.shell().Command(c.Context(), args[at:], c.OutOrStdout(), a.trial(newUI(c)))
			if shown != "" {
				fmt.Fprintln(c.ErrOrStderr(), terminal.Text(strings.ReplaceAll(shown, "\r\n", "\n")))
			}
			return err
		},
	}
	f.register(c)
	return c
}
