// SPDX-License-Identifier: Apache-2.0

package kernelrpm

import (
	"fmt"
	"io"
	"slices"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/terminal"
)

// WriteVerified writes for people what is in the packages that could be read, and what was verified of them.
func WriteVerified(w io.Writer, all []*Contents) error {
	good := slices.DeleteFunc(slices.Clone(all), func(p *Contents) bool { return p.Error != "" })
	if len(good) == 0 {
		return nil
	}
	if err := WriteContents(w, good); err != nil {
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

// WriteContents writes for people what is in packages, a line each.
func WriteContents(w io.Writer, list []*Contents) error {
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
