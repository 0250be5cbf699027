// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ovzpatch/internal/doctor"
	"ovzpatch/internal/terminal"
)

// marks say what was found, in a colour.
var marks = map[doctor.State]terminal.Painted{
	doctor.There:    {Text: "ok      ", Colour: terminal.Green},
	doctor.Missing:  {Text: "MISSING ", Colour: terminal.Red},
	doctor.Optional: {Text: "note    ", Colour: terminal.Plain},
}

func newDoctor(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine: tools, accelerator, space",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			healthy, colour := true, colours(c, c.OutOrStdout())
			err := doctor.Look(c.Context(), a.trial(newUI(c)), func(s doctor.State, what, how string) {
				healthy = healthy && s != doctor.Missing
				mark := marks[s].Text
				if colour && s != doctor.Optional {
					mark = marks[s].String()
				}
				fmt.Fprintf(c.OutOrStdout(), "%s%-22s %s\n", mark, what, how)
			})
			if err == nil && !healthy {
				err = errors.New("something is missing on this machine: see the lines that say MISSING")
			}
			return err
		},
	}
}
