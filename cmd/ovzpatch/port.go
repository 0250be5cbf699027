// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/derive"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/patch"
)

func newPort(a *app) *cobra.Command {
	var (
		key     keyFlags
		flags   buildFlags
		out     string
		explain bool
		asJSON  bool
	)
	c := &cobra.Command{
		Use:   "port SOURCE",
		Short: "Derive the patch for a kernel that no port of ours was made for",
		Long: `port writes the patch for SOURCE (a source RPM, a tarball or an unpacked tree) from what
its fs/namespace.c and its headers say: where the path of a forced umount is resolved
and not refused yet, what a container is there and what its id, and how the message is
written to the host's log. It does so whether or not a port of ours fits. The patch is
held against the same check as any other; nobody has tried it, and its header says so:
ovzpatch run proves it.

What the source leaves open is asked, and no patch is written (exit code 3). check,
srpm, build and run derive a port by themselves where none of ours fits; --derive there
says when.
` + exitLongText,
		Example: `  ovzpatch port linux-7.3.tar.xz -o my.patch
  ovzpatch port ~/src/linux --explain
  ovzpatch run linux-7.3.tar.xz --derive=always`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, u := c.Context(), newUI(c.ErrOrStderr())
			if err := flags.check(a, u); err != nil {
				return err
			}
			f, err := fit.Check(ctx, fit.Request{
				Source: args[0], Keyring: key.keyring, Port: fit.Port{Derive: fit.Always}, Spec: flags.recipe.Spec, Place: patch.Options{Strip: -1}, Checkpatch: true, Report: u,
			})
			defer f.Close()
			if err != nil {
				return err
			}
			if f.Derived == nil {
				return errors.New("the package has the patch already; ovzpatch check says more of it")
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
				return writeDecisions(c.OutOrStdout(), f.Derived.Port)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", out, strings.TrimPrefix(f.Derived.Summary(), "from the source itself, because it was asked for: "))
			return err
		},
	}
	key.register(c)
	flags.registerSpec(c)
	c.Flags().StringVarP(&out, "output", "o", "", "write the patch into this file (default: standard output)")
	c.Flags().BoolVar(&explain, "explain", false, "show each decision, why it was made, and the lines that led to it")
	c.Flags().BoolVar(&asJSON, "json", false, "write the patch and the decisions as JSON")
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
