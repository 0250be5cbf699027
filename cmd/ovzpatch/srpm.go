// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ovzpatch/internal/recipe"
	"ovzpatch/internal/tool"
)

func newSRPM(a *app) *cobra.Command {
	var (
		port  portFlags
		flags buildFlags
		proof proveFlags
		out   string
	)
	c := &cobra.Command{
		Use:   "srpm SOURCE -o DIR",
		Short: "Make a patched source RPM, for Koji, Copr, OBS or mock",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := errors.Join(flags.check(a, newUI(c)), checkOutput(out)); err != nil {
				return err
			}
			if err := tool.Need(tool.Source); err != nil {
				return err
			}
			path, err := recipe.Package(c.Context(), args[0], out, proof.wanted(), flags.recipeOf(port))
			if err == nil {
				_, err = fmt.Fprintln(c.OutOrStdout(), path)
			}
			return err
		},
	}
	port.register(c)
	port.registerDerive(c)
	flags.registerRecipe(c)
	proof.register(c, true)
	c.Flags().StringVarP(&out, "output", "o", "", "directory for the source RPM")
	c.MarkFlagRequired("output")
	return c
}
