// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/build"
	"ovzpatch/internal/prove"
	"ovzpatch/internal/source"
	"ovzpatch/internal/tool"
)

// runCommand is what the command line says.
type runCommand struct {
	*app
	port  portFlags
	flags buildFlags
	test  testFlags
	proof proveFlags
	rep   reportFlags
	out   string
	store string
	only  string
	form  jsonFlag
	u     *ui
}

func newRun(a *app) *cobra.Command {
	r := &runCommand{app: a}
	c := &cobra.Command{
		Use:     "run [SOURCE]",
		Short:   "Do everything: build with and without the patch, boot both, one verdict",
		Args:    cobra.MaximumNArgs(1),
		PreRunE: r.check,
		RunE:    r.run,
	}
	r.port.register(c)
	r.port.registerDerive(c)
	r.flags.register(c)
	r.test.register(c)
	r.proof.register(c, true)
	r.rep.register(c)
	c.Flags().StringVarP(&r.out, "output", "o", "", "copy the packages, logs and the report into this directory")
	c.Flags().StringVar(&r.store, "store", "", "keep the build with the patch as a snapshot in this datastore, with both verdicts: what ovzpatch publish wants")
	c.Flags().StringVar(&r.only, "only", "", "build and boot only the kernel with the patch (with) or only the one without it (without); one alone shows less than both")
	c.Flags().BoolVar(&r.flags.recipe.Livepatch, "livepatch", false, "also make the port into a module for the kernel without the patch, and try that in its four states (see test --livepatch); with our own spec both kernels take livepatches")
	r.form.register(c, "write the report as JSON")
	// A snapshot gets both verdicts.
	c.MarkFlagsMutuallyExclusive("only", "store")
	cmdline.Complete(c, "only", prove.Sides...)
	return c
}

// check refuses what cannot be done, before the work.
func (r *runCommand) check(c *cobra.Command, _ []string) error {
	r.u = newUI(c)
	if err := (prove.Options{Recipe: r.flags.recipe, Only: r.only}).Check(); err != nil {
		return err
	}
	return errors.Join(r.port.Check(), r.flags.check(r.app, r.u), r.test.check(r.app, r.u, r.store != ""), checkOutput(r.out), r.rep.check())
}

func (r *runCommand) run(c *cobra.Command, args []string) error {
	path := source.Newest(source.Debian)
	if len(args) == 1 {
		path = args[0]
	} else if path == "" {
		return usage(fmt.Errorf("there is no %s: install it with `apt-get install linux-source`, or name a SOURCE", source.Debian))
	}
	if err := r.ready(build.Tools(r.flags.recipe.Root), tool.Guest); err != nil {
		return err
	}
	keeper, err := openKeeper(r.u, r.store)
	if err != nil {
		return err
	}
	found, err := prove.Prove(c.Context(), path, prove.Options{
		Recipe: r.flags.recipeOf(r.port), Build: r.flags.build, Trial: r.test.Options,
		Place: r.proof.wanted(), Afresh: r.flags.noCache, Only: r.only, Out: r.out, Report: r.u,
		Store: keeper, Words: os.Args[1:],
		Built: r.u.Contents,
	})
	return r.rep.finish(c, found, err, r.form)
}
