// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/build"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/derive"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/preflight"
	"ovzpatch/internal/prove"
	"ovzpatch/internal/tool"
)

func newPort(a *app) *cobra.Command {
	var (
		flags   buildFlags
		test    testFlags
		out     string
		explain bool
		proof   bool
		asJSON  bool
	)
	c := &cobra.Command{
		Use:   "port SOURCE",
		Short: "Derive the patch for a kernel that none of our ports fits",
		Long: `port writes the patch for SOURCE (a source RPM, a tarball or an unpacked tree) from what
its fs/namespace.c and its headers say: where the path of a forced umount is resolved
and not refused yet, what a container is there and what its id, and how the message is
written to the host's log. It does so whether or not a port of ours fits. The patch is
held against the same check as any other; nobody has tried it, and its header says so.
--prove goes on as ovzpatch run does: it builds kernels with and without the patch, boots
both, and prints the verdict.

What the source leaves open is asked, and no patch is written (exit code 3). check,
srpm, build and run derive a port by themselves where none of ours fits; --derive there
says when.
` + exitLongText,
		Example: `  ovzpatch port linux-7.3.tar.xz -o my.patch
  ovzpatch port ~/src/linux --explain
  ovzpatch port linux-7.3.tar.xz -o my.patch --prove`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, u := c.Context(), newUI(c)
			if err := errors.Join(flags.check(a, u), test.check(a, u, false)); err != nil {
				return err
			}
			if proof {
				if out == "" || flags.recipe.Tag == "" {
					return usage(errors.New("--prove: it wants --output FILE for the patch, and a --release-tag"))
				}
				if err := tool.Need(build.Tools(flags.recipe.Root), tool.Guest); err != nil {
					return err
				}
				if err := a.readyCache(); err != nil {
					return err
				}
			}
			if err := preflight.OutputFile("output", out); err != nil {
				return err
			}
			f, err := fit.Check(ctx, fit.Request{
				Source: args[0], Keyring: flags.key.keyring, Port: fit.Port{Derive: fit.Always}, Spec: flags.recipe.Spec, Place: patch.Options{Strip: -1}, Checkpatch: true, Cache: cache.Cache{Dir: a.cacheDir}, Report: u,
			})
			if err != nil {
				f.Close()
				return err
			}
			defer f.Close()
			if f.Derived == nil {
				return usage(errors.New("the source already has the patch; ovzpatch check says more about it"))
			}
			style, err := f.CheckStyle(ctx)
			if err != nil {
				return err
			}
			for _, l := range style {
				u.Say("checkpatch: %s", l)
			}
			if out != "" {
				if err := atomicfile.Write(out, func(w io.Writer) error { _, err := w.Write(f.Port); return err }); err != nil {
					return err
				}
			}
			switch {
			case asJSON:
				return printJSON(c.OutOrStdout(), struct {
					Kernel string `json:"kernel"`
					Patch  string `json:"patch"`
					*derive.Port
				}{f.Kernel.String(), string(f.Port), f.Derived.Port})
			case out == "":
				if explain {
					writeDecisions(c.ErrOrStderr(), f.Derived.Port)
				}
				_, err := c.OutOrStdout().Write(f.Port)
				return err
			case explain:
				err = writeDecisions(c.OutOrStdout(), f.Derived.Port)
			default:
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", out, strings.TrimPrefix(f.Derived.Summary(), "from the source itself, because it was asked for: "))
			}
			if err != nil || !proof {
				return err
			}
			r, err := prove.Prove(ctx, args[0], prove.Options{
				Recipe: flags.recipeOf(portFlags{fit.Port{Derive: fit.Always}}), Build: flags.build, Trial: test.Options,
				Place: true, Afresh: flags.noCache, Report: u,
				Built: u.Contents,
			})
			return new(reportFlags).finish(c, r, err, false)
		},
	}
	flags.register(c)
	test.register(c)
	c.Flags().BoolVar(&proof, "prove", false, "build the kernel with and without the patch, boot both, one verdict, as ovzpatch run does")
	c.Flags().StringVarP(&out, "output", "o", "", "write the patch into this file (default: standard output)")
	c.Flags().BoolVar(&explain, "explain", false, "show each decision, why it was made, and the lines that led to it")
	c.Flags().BoolVar(&asJSON, "json", false, "write the patch and the decisions as JSON")
	c.MarkFlagsMutuallyExclusive("prove", "json")
	return c
}

// writeDecisions writes what was decided, and from which lines.
func writeDecisions(w io.Writer, p *derive.Port) error {
	var b strings.Builder
	for _, d := range p.Decisions {
		fmt.Fprintf(&b, "%s\n  %s\n", d.What, d.Why)
		for _, l := range d.Lines {
			fmt.Fprintf(&b, "    %s\n", l)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
