// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ovzpatch/internal/build"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
)

// buildCommand is what the command line says.
type buildCommand struct {
	*app
	port   portFlags
	flags  buildFlags
	out    string
	store  string
	plain  bool
	twice  bool
	proof  proveFlags
	report reportFlags
	form   jsonFlag
}

func newBuild(a *app) *cobra.Command {
	b := &buildCommand{app: a}
	c := &cobra.Command{
		Use:   "build SOURCE",
		Short: "Build ready-to-install kernel RPMs with the patch",
		Args:  cobra.ExactArgs(1),
		RunE:  b.run,
	}
	b.port.register(c)
	b.port.registerDerive(c)
	b.flags.register(c)
	b.proof.register(c, false)
	b.report.register(c)
	c.Flags().StringVarP(&b.out, "output", "o", "", "copy the packages into this directory")
	c.Flags().StringVar(&b.store, "store", "", "keep the build as a snapshot in this datastore")
	b.form.register(c, "write what is in the packages as JSON")
	c.Flags().BoolVar(&b.twice, "verify-reproducible", false, "build twice from nothing, and fail at the first difference between the packages")
	c.Flags().BoolVar(&b.plain, "without-patch", false, "build the same kernel without the patch, to compare with")
	return c
}

func (b *buildCommand) run(c *cobra.Command, args []string) error {
	u := newUI(c)
	if err := errors.Join(b.flags.check(b.app, u), checkOutput(b.out), b.report.check()); err != nil {
		return err
	}
	if err := b.ready(build.Tools(b.flags.recipe.Root)); err != nil {
		return err
	}
	keeper, err := openKeeper(u, b.store)
	if err != nil {
		return err
	}
	made, err := build.Make(c.Context(), args[0], build.Request{
		Recipe: b.flags.recipeOf(b.port), Build: b.flags.build, Plain: b.plain, Place: b.proof.wanted(), Afresh: b.flags.noCache, Twice: b.twice,
		Out: b.out, Store: keeper, Options: os.Args[1:], Built: u.Contents,
	})
	if err := b.report.write(c, &report.Report{Source: args[0]}, err); err != nil {
		return err
	}
	return b.form.print(c, made, func(w io.Writer) error { return made.Text(w) })
}

// openKeeper opens the datastore that is to keep a build, before hours are spent on one that nobody
// can keep; nil where none is named.
func openKeeper(u job.Reporter, dir string) (*datastore.Store, error) {
	if dir == "" {
		return nil, nil
	}
	s, err := openStore(u, dir)
	if err != nil {
		return nil, err
	}
	return s, s.Ready()
}
