// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ovzpatch/internal/recipe"
	"ovzpatch/internal/srpm"
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
			ctx, u := c.Context(), newUI(c)
			if err := errors.Join(flags.check(a, u), checkOutput(out)); err != nil {
				return err
			}
			if err := tool.Need(tool.Source); err != nil {
				return err
			}
			s, err := recipe.Make(ctx, args[0], flags.recipeOf(port))
			if err != nil {
				return err
			}
			defer s.Close()
			if s.With.Foreign && len(flags.recipe.Flavours) > 0 {
				u.Say("the source RPM holds all flavours: pass these switches to whatever builds it")
			}
			if err := s.ProvePlace(ctx, u, proof.wanted()); err != nil {
				return err
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return fmt.Errorf("make output directory: %w", err)
			}
			s.With.Inputs.Keep = args[0]
			path, err := srpm.Build(ctx, s.With.Inputs, out)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), path)
			return nil
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
