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
		Long: `srpm makes a source RPM that carries the patch. A source RPM keeps its own spec, into
which the patch is put (--spec=inject; the change of the spec is shown on standard
error), or gets ours (--spec=replace); a tarball or an unpacked tree gets ours. The
path of the new source RPM is the one line on standard output.

rpmbuild reads the spec for that, which runs the spec's macros on this machine. Before
anything is written, %prep is run without and with the patch, and %build with a make that
compiles nothing: nothing but the patch may differ, and it must be where %build compiles.
--no-prove goes by the spec's text alone.
` + exitLongText,
		Example: `  ovzpatch srpm ovzkernel-2.6.18-92.1.18.el5.028stab060.2.src.rpm -o out
  ovzpatch srpm linux-6.1.tar.xz --config my.config -o out`,
		Args: cobra.ExactArgs(1),
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
