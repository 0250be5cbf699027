// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/srpm"
)

// buildFlags say how a kernel is built.
type buildFlags struct {
	spec    string
	config  string
	target  string
	tag     string
	defines []string
	compat  bool
	nodeps  bool
	// misplaced builds a patch that the gate check refuses.
	misplaced bool
	noCache   bool
	jobs      int
	limit     time.Duration
}

// What --spec takes.
const (
	specInject  = "inject"
	specReplace = "replace"
)

func (f *buildFlags) register(c *cobra.Command) {
	f.registerRecipe(c)
	c.Flags().BoolVar(&f.nodeps, "nodeps", false, "do not check the spec's BuildRequires (said and done by itself where the host has no RPM database)")
	c.Flags().BoolVar(&f.noCache, "no-cache", false, "build anew, whatever is in the cache")
	c.Flags().IntVarP(&f.jobs, "jobs", "j", runtime.NumCPU()+1, "compile jobs at one time")
	c.Flags().DurationVar(&f.limit, "build-timeout", 3*time.Hour, "time limit of one build")
}

// registerRecipe is for what goes into a source RPM, too.
func (f *buildFlags) registerRecipe(c *cobra.Command) {
	c.Flags().StringVar(&f.spec, "spec", specInject, "for a source RPM: inject the patch into its own spec, or replace that by ours")
	c.Flags().StringVar(&f.config, "config", "", "kernel configuration: a whole .config, or a fragment on top of allnoconfig (default: a small one for guests)")
	c.Flags().StringVar(&f.target, "target", "x86_64", "what to build for: x86_64 or i686")
	c.Flags().StringVar(&f.tag, "release-tag", srpm.DefaultTag, "what a foreign spec's Release is marked with")
	c.Flags().StringArrayVar(&f.defines, "define", nil, "a macro for rpmbuild, as 'NAME VALUE'")
	c.Flags().BoolVar(&f.compat, "compat", false, "also apply what the line's old sources need to build with this machine's compiler; for tests, not for production")
	c.Flags().BoolVar(&f.misplaced, "misplaced", false, "go on with a patch whose hook the gate check finds in the wrong place, to see in a guest what it does")
	c.RegisterFlagCompletionFunc("target", cobra.FixedCompletions([]string{"x86_64", "i686"}, cobra.ShellCompDirectiveNoFileComp))
	c.RegisterFlagCompletionFunc("spec", cobra.FixedCompletions([]string{specInject, specReplace}, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses values that no build can take.
func (f *buildFlags) check() error {
	if f.spec != specInject && f.spec != specReplace {
		return usage(fmt.Errorf("--spec=%s: it is %s or %s", f.spec, specInject, specReplace))
	}
	for _, d := range f.defines {
		if name, _, ok := strings.Cut(d, " "); !ok || name == "" {
			return usage(fmt.Errorf("--define %q: it is a name, a space, and a value", d))
		}
	}
	_, err := karch(f.target)
	return err
}

// karch is the kernel's name for a target.
func karch(target string) (string, error) {
	switch target {
	case "x86_64":
		return "x86_64", nil
	case "i386", "i486", "i586", "i686":
		return "i386", nil
	}
	return "", usage(fmt.Errorf("no kernel for --target=%s: x86_64 and i686 there are", target))
}

func newBuild(a *app) *cobra.Command {
	var (
		port  portFlags
		build buildFlags
		out   string
		store string
		plain bool
	)
	c := &cobra.Command{
		Use:   "build SOURCE",
		Short: "Build ready-to-install kernel RPMs with the patch",
		Long: `build checks that the patch fits SOURCE, and drives rpmbuild -ba in a private
directory. A tarball or an unpacked tree gets our own spec; a source RPM keeps its own,
into which the patch is put (--spec=inject), or gets ours (--spec=replace). The
packages are listed on standard output; with -o they are copied there, else they stay
in the cache. With --store they become a snapshot in a datastore, and its name is what
standard output gets.
` + exitLongText,
		Example: `  ovzpatch build linux-6.1.tar.xz --config my.config -o rpms
  ovzpatch build ovzkernel-2.6.18-92.1.18.el5.028stab060.2.src.rpm --target=i686 -o rpms`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, u := c.Context(), newUI(c.ErrOrStderr())
			if err := needTools(buildTools); err != nil {
				return err
			}
			var keeper *datastore.Store
			if store != "" {
				// Before hours are spent on a build that nobody can keep.
				var err error
				if keeper, err = openStore(store); err != nil {
					return err
				}
			}
			in, s, done, err := a.prepare(ctx, u, args[0], port, build)
			if err != nil {
				return err
			}
			defer done()
			r := s.with
			if plain {
				r = s.without
			}
			b, err := a.buildKernel(ctx, u, r, build)
			if err != nil {
				return err
			}
			dir := b.Dir
			if out != "" {
				if err := b.copyOut(out); err != nil {
					return err
				}
				dir = out
			}
			if keeper != nil {
				ref, err := b.keep(ctx, keeper, in, r)
				if err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), ref)
				return nil
			}
			for _, name := range append(slices.Clone(b.Packages), b.Source) {
				fmt.Fprintln(c.OutOrStdout(), filepath.Join(dir, name))
			}
			return nil
		},
	}
	port.register(c)
	build.register(c)
	c.Flags().StringVarP(&out, "output", "o", "", "copy the packages into this directory")
	c.Flags().StringVar(&store, "store", "", "keep the build as a snapshot in this datastore")
	c.Flags().BoolVar(&plain, "without-patch", false, "build the same kernel without the patch, to compare with")
	return c
}
