// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"ovzpatch/internal/fit"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/report"
)

// checkCommand is what the command line says.
type checkCommand struct {
	*app
	port    portFlags
	key     keyFlags
	place   placeFlags
	compile compileFlags
	rep     reportFlags
	form    jsonFlag
	u       *ui
	opt     patch.Options
}

func newCheck(a *app) *cobra.Command {
	k := &checkCommand{app: a}
	c := &cobra.Command{
		Use:     "check SOURCE",
		Short:   "Say whether the patch fits a source, hunk by hunk, and whether its hook is reached",
		Args:    cobra.ExactArgs(1),
		PreRunE: k.check,
		RunE:    k.run,
	}
	k.port.register(c)
	k.port.registerDerive(c)
	k.key.register(c)
	k.place.register(c)
	k.compile.register(c)
	k.rep.register(c)
	k.form.register(c, "write the result as JSON")
	return c
}

// check refuses what cannot be done, before the source is read.
func (k *checkCommand) check(c *cobra.Command, _ []string) (err error) {
	k.u = newUI(c)
	if k.opt, err = k.place.options(); err != nil {
		return err
	}
	return errors.Join(k.port.Check(), k.compile.build.check(k.app, k.u), k.rep.check())
}

func (k *checkCommand) run(c *cobra.Command, args []string) error {
	recipe := k.compile.build.recipe
	var try *fit.Trial
	switch {
	case k.compile.wanted:
		if err := k.ready(); err != nil {
			return err
		}
		try = &fit.Trial{Dir: k.cacheDir, Config: recipe.Config, Target: recipe.Target, Compat: recipe.Compat, Report: k.u}
	case recipe.Config != "":
		k.u.Say("--config=%s is not used: without --compile nothing is compiled", recipe.Config)
	}
	f, err := fit.Examine(c.Context(), fit.Request{
		Source: args[0], Keyring: k.key.keyring, Port: k.port.Port, Spec: recipe.Spec, Place: k.opt, Cache: k.cache(k.u), Report: k.u,
	}, try)
	result := &report.Report{Source: args[0]}
	if f == nil {
		return k.rep.write(c, result, err)
	}
	defer f.Close()
	f.Note(result)
	err = k.rep.write(c, result, err)
	return errors.Join(err, k.form.print(c, &f.Findings, f.Findings.Text))
}
