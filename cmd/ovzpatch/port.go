// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/build"
	"ovzpatch/internal/derive"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/preflight"
	"ovzpatch/internal/prove"
	"ovzpatch/internal/tool"
)

// portCommand is what the command line says.
type portCommand struct {
	*app
	flags   buildFlags
	test    testFlags
	out     string
	explain bool
	proof   bool
	form    jsonFlag
}

func newPort(a *app) *cobra.Command {
	p := &portCommand{app: a}
	c := &cobra.Command{
		Use:   "port SOURCE",
		Short: "Derive the patch for a kernel that none of our ports fits",
		Args:  cobra.ExactArgs(1),
		RunE:  p.run,
	}
	p.flags.register(c)
	p.test.register(c)
	c.Flags().BoolVar(&p.proof, "prove", false, "build the kernel with and without the patch, boot both, one verdict, as ovzpatch run does")
	c.Flags().StringVarP(&p.out, "output", "o", "", "write the patch into this file (default: standard output)")
	c.Flags().BoolVar(&p.explain, "explain", false, "show each decision, why it was made, and the lines that led to it")
	p.form.register(c, "write the patch and the decisions as JSON")
	c.MarkFlagsMutuallyExclusive("prove", "json")
	return c
}

// check refuses what cannot be done, before the work.
func (p *portCommand) check(u *ui) error {
	if err := errors.Join(p.flags.check(p.app, u), p.test.check(p.app, u, false)); err != nil {
		return err
	}
	if p.proof {
		if p.out == "" || p.flags.recipe.Tag == "" {
			return usage(errors.New("--prove needs --output FILE for the patch, and a --release-tag"))
		}
		if err := p.ready(build.Tools(p.flags.recipe.Root), tool.Guest); err != nil {
			return err
		}
	}
	return preflight.OutputFile("output", p.out)
}

func (p *portCommand) run(c *cobra.Command, args []string) error {
	ctx, u := c.Context(), newUI(c)
	if err := p.check(u); err != nil {
		return err
	}
	f, err := fit.Examine(ctx, fit.Request{
		Source: args[0], Keyring: p.flags.key.keyring, Port: fit.Port{Derive: fit.Always}, Spec: p.flags.recipe.Spec, Place: patch.Options{Strip: -1}, Cache: p.cache(u), Report: u,
	}, nil)
	if err != nil {
		f.Close()
		return err
	}
	defer f.Close()
	if f.Derived == nil {
		return usage(errors.New("the source already has the patch; ovzpatch check says more about it"))
	}
	for _, l := range f.Findings.Checkpatch {
		u.Say("checkpatch: %s", l)
	}
	if p.out != "" {
		if err := atomicfile.WriteBytes(p.out, f.Port); err != nil {
			return err
		}
	}
	if err := p.show(c, f); err != nil || !p.proof {
		return err
	}
	r, err := prove.Derived(ctx, args[0], f, p.out, prove.Options{
		Recipe: p.flags.recipeOf(portFlags{}), Build: p.flags.build, Trial: p.test.Options,
		Place: true, Afresh: p.flags.noCache, Report: u,
		Built: u.Contents,
	})
	return new(reportFlags).finish(c, r, err, jsonFlag{})
}

// show prints the patch, or what was decided about it.
func (p *portCommand) show(c *cobra.Command, f *fit.Fit) error {
	switch {
	case p.form.on:
		return printJSON(c.OutOrStdout(), struct {
			Kernel string `json:"kernel"`
			Patch  string `json:"patch"`
			*derive.Port
		}{f.Kernel.String(), string(f.Port), f.Derived.Port})
	case p.out == "":
		if p.explain {
			f.Derived.Port.Explain(c.ErrOrStderr())
		}
		_, err := c.OutOrStdout().Write(f.Port)
		return err
	case p.explain:
		return f.Derived.Port.Explain(c.OutOrStdout())
	default:
		_, err := fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", p.out, strings.TrimPrefix(f.Derived.Summary(), "from the source itself, because it was asked for: "))
		return err
	}
}
