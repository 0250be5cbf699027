// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
	"ovzpatch/patches"
)

// The flags that several commands have. Each kind says what it means, registers itself, and checks
// its values.

// jsonFlag says in which form a result is printed.
type jsonFlag struct{ on bool }

func (f *jsonFlag) register(c *cobra.Command, usage string) {
	c.Flags().BoolVar(&f.on, "json", false, usage)
}

// keyFlags say whose signatures count.
type keyFlags struct{ keyring string }

func (f *keyFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.keyring, "keyring", "", "file of OpenPGP public keys, such as RPM-GPG-KEY-*: packages must be signed by one of them")
	c.MarkFlagFilename("keyring")
}

// portFlags choose the patch.
type portFlags struct{ fit.Port }

func (f *portFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.Line, "line", "", "use the port for this line instead of the one that was found")
	c.Flags().StringVar(&f.File, "patch", "", "use this patch file instead of one of our ports")
	c.MarkFlagsMutuallyExclusive("line", "patch")
	cmdline.Complete(c, "line", patches.Lines()...)
}

// registerDerive is for the commands that can do without a port of ours.
func (f *portFlags) registerDerive(c *cobra.Command) {
	c.Flags().Var(&f.Derive, "derive", "derive the port from the source: never, auto (if none of ours fits) or always")
	cmdline.Complete(c, "derive", fit.Derivings...)
	for _, other := range []string{"line", "patch"} {
		c.MarkFlagsMutuallyExclusive("derive", other)
	}
}

// placeFlags say how a patch is placed.
type placeFlags struct {
	strip int
	fuzz  int
	flags *pflag.FlagSet
}

func (f *placeFlags) register(c *cobra.Command) {
	f.flags = c.Flags()
	c.Flags().IntVarP(&f.strip, "strip", "p", -1, "leading directories to remove from the patch's names (default: found from the source)")
	c.Flags().IntVarP(&f.fuzz, "fuzz", "F", 0, "how many context lines at either end of a hunk may differ; rpmbuild allows 0, so what fits here fits there")
	c.Flags().Lookup("strip").DefValue = "0" // which is not shown
}

func (f *placeFlags) options() (patch.Options, error) {
	if f.strip < 0 && f.flags.Changed("strip") {
		return patch.Options{}, job.BadRequest(fmt.Errorf("--strip=%d: it must be a number of directories, 0 or more", f.strip))
	}
	if f.fuzz < 0 {
		return patch.Options{}, job.BadRequest(fmt.Errorf("--fuzz=%d: it must be a number of lines, 0 or more", f.fuzz))
	}
	return patch.Options{Strip: f.strip, Fuzz: f.fuzz}, nil
}

// proveFlags say whether the place of the patch is proven.
type proveFlags struct{ yes, no bool }

func (f *proveFlags) register(c *cobra.Command, standard bool) {
	c.Flags().BoolVar(&f.yes, "prove", standard, "run %prep with and without the patch, and %build with a make that compiles nothing: nothing but the patch may differ, and it must be where %build compiles")
	c.Flags().BoolVar(&f.no, "no-prove", false, "do not prove it: for a machine that lacks what %prep needs, or must not run the package's scripts")
	c.MarkFlagsMutuallyExclusive("prove", "no-prove")
}

func (f *proveFlags) wanted() bool { return f.yes && !f.no }
