// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/terminal"
)

func newInspect(*app) *cobra.Command {
	var (
		key keyFlags
		out jsonFlag
	)
	c := &cobra.Command{
		Use:   "inspect RPM...",
		Short: "Show what is in packages, and whether a kernel in them holds the patch",
		Long: `inspect reads packages whole, verifies every digest in them and, with --keyring, their
signatures, and says what they hold: files, modules, the kernel's release, and whether
the patch's message is in its image. If a file is damaged or is not a package, inspect
still reads the others, and ends with an error (1 for damage, 2 if it is not a package).

With --json it is always an array, with one element for each RPM that was named, in that
order; for one that could not be read, "error" says why, and the other fields are empty.`,
		Example: `  ovzpatch inspect rpms/*.rpm
  ovzpatch inspect kernel-2.6.18-92.i686.rpm --keyring RPM-GPG-KEY --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			all, bad := kernelrpm.LookAll(c.Context(), args, key.keyring, newUI(c))
			if all == nil {
				return bad
			}
			return errors.Join(out.print(c, all, func(w io.Writer) error { return inspected(w, all) }), bad)
		},
	}
	key.register(c)
	out.register(c, "write it as JSON")
	return c
}

// inspected shows the packages that could be read, and what was verified of them.
func inspected(w io.Writer, all []*kernelrpm.Contents) error {
	good := slices.DeleteFunc(slices.Clone(all), func(p *kernelrpm.Contents) bool { return p.Error != "" })
	if len(good) == 0 {
		return nil
	}
	if err := contentsTable(w, good); err != nil {
		return err
	}
	for _, p := range good {
		for _, s := range p.Verified {
			fmt.Fprintf(w, "%s: verified: %s\n", p.File, terminal.Line(s))
		}
		for _, s := range p.Unverified {
			fmt.Fprintf(w, "%s: NOT verified: %s\n", p.File, terminal.Line(s))
		}
	}
	return nil
}

// contentsTable shows packages to people.
func contentsTable(w io.Writer, list []*kernelrpm.Contents) error {
	t := terminal.NewTable(w)
	t.Row("PACKAGE", "ARCH", "SIZE", "INSTALLED", "FILES", "MODULES", "KERNEL", "PATCH", "SIGNED")
	for _, c := range list {
		kernel, patched, modules := "-", "-", "-"
		if c.Kernel != "" {
			kernel, patched = c.Kernel, "not known"
		}
		if c.Patched != nil {
			patched = yesNo(*c.Patched)
		}
		if c.Modules > 0 {
			modules = fmt.Sprint(c.Modules)
		}
		t.Row(c.Name+"-"+c.Version+"-"+c.Release, c.Arch, cache.Size(c.Bytes), cache.Size(c.Installed), c.Files, modules, kernel, patched, yesNo(c.Signed))
	}
	return t.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
