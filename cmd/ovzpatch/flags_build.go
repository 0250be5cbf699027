// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/build"
	"ovzpatch/internal/job"
	"ovzpatch/internal/launcher"
	"ovzpatch/internal/preflight"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/srpm"
)

// buildFlags say what is made of a source, and how it is built.
type buildFlags struct {
	key     keyFlags
	recipe  recipe.Options
	build   build.Options
	spec    string
	rootArg string
	// misplaced builds a patch that the gate check refuses.
	misplaced bool
	noCache   bool
	builds    bool // the flags of a real build are there
}

// What --spec takes.
const (
	specInject  = "inject"
	specReplace = "replace"
)

func (f *buildFlags) register(c *cobra.Command) {
	f.registerRecipe(c)
	f.builds = true
	c.Flags().StringSliceVar(&f.recipe.With, "with", nil, "enable a part of the spec, as rpmbuild does: --with headers")
	c.Flags().StringSliceVar(&f.recipe.Without, "without", nil, "disable a part of the spec, as rpmbuild does: --without debuginfo")
	c.Flags().BoolVar(&f.recipe.Debug, "debug-kernel", false, "build a kernel that checks its own locks, sleeping and memory (lockdep, DEBUG_ATOMIC_SLEEP, kmemleak), for tests; with our own spec only")
	c.Flags().BoolVar(&f.build.NoDeps, "nodeps", false, "do not check the spec's BuildRequires (if the host has no RPM database, dpkg is asked)")
	c.Flags().StringVar(&f.rootArg, "root", "", "run rpmbuild in a system with another compiler: chroot:DIR, a directory with a whole system, or mock:CONFIG")
	c.Flags().BoolVar(&f.noCache, "no-cache", false, "build again, even if the cache has the result")
	c.Flags().IntVarP(&f.build.Jobs, "jobs", "j", 0, "compile jobs at a time (default: one more than this machine has processors, or what distcc says)")
	c.Flags().StringVar(&f.build.Launcher, "launcher", "", "compile through "+strings.Join(launcher.Names(), ", "))
	c.Flags().IntVar(&f.build.Nice, "nice", 10, "how much the build yields to other work on this machine, 0 to 19; above 0 it yields the disk, too")
	c.Flags().DurationVar(&f.build.Limit, "build-timeout", 3*time.Hour, "time limit for one build")
	cmdline.Complete(c, "launcher", launcher.Names()...)
}

// registerRecipe is for what goes into a source RPM, too.
func (f *buildFlags) registerRecipe(c *cobra.Command) {
	f.key.register(c)
	f.registerSpec(c)
	c.Flags().StringVar(&f.recipe.Config, "config", "", "kernel configuration: a whole .config, or a fragment on top of allnoconfig (default: a small one for guests)")
	c.Flags().StringSliceVar(&f.recipe.Flavours, "flavour", nil, "which of the spec's kernels to build (separate several with commas), or PAE for i686 with our own spec; an unknown name lists them all")
	c.Flags().StringVar(&f.recipe.Tag, "release-tag", srpm.DefaultTag, "the mark in the Release of a patched kernel; \"\" leaves the Release as it is")
	cmdline.AllowEmpty(c, "release-tag")
	c.Flags().BoolVar(&f.recipe.Compat, "compat", false, "also apply the patches that old sources of this line need for this machine's compiler; for tests, not for production")
	c.Flags().BoolVar(&f.recipe.Modernize, "modernize-spec", false, "rewrite the lines of a source RPM's own spec that rpm refuses since 4.20 (%patchN, a macro called rpmversion) or depmod of kmod 34 (-r), and show them")
	c.Flags().BoolVar(&f.recipe.Beside, "keep-beside", false, "add to a source RPM's own spec the Provides by which dnf and zypper install its kernels beside older ones, and show them; our own spec has them")
	c.Flags().BoolVar(&f.misplaced, "misplaced", false, "continue if the gate check finds the hook misplaced or is unsure, to see in a guest what the patch does")
}

// registerSpec is for how a source RPM's spec is read.
func (f *buildFlags) registerSpec(c *cobra.Command) {
	c.Flags().StringVar(&f.spec, "spec", specInject, "for a source RPM: inject the patch into its own spec, after the package's own patches, or replace that spec with ours, without them")
	c.Flags().StringVar(&f.recipe.Target, "target", "x86_64", "what to build for: x86_64 or i686")
	c.Flags().StringVar(&f.recipe.Tarball, "tarball", "", "for a source RPM: which of its files is the kernel's own tarball (default: the one that is named like it, or has a kernel's Makefile)")
	c.Flags().StringArrayVar(&f.recipe.Defines, "define", nil, "a macro for rpmbuild: 'NAME VALUE'")
	cmdline.Complete(c, "target", "x86_64", "i686")
	cmdline.Complete(c, "spec", specInject, specReplace)
}

// check refuses values that no recipe or build can take, and completes the options.
func (f *buildFlags) check(a *app, u job.Reporter) error {
	if err := cmdline.OneOf("spec", f.spec, specInject, specReplace); err != nil {
		return err
	}
	if err := preflight.File("config", f.recipe.Config); err != nil {
		return err
	}
	f.recipe.Replaced = f.spec == specReplace
	if err := f.recipe.Check(); err != nil {
		return err
	}
	if f.builds {
		if f.build.Launcher != "" && f.rootArg != "" {
			return usage(fmt.Errorf("--launcher=%s: it is a program of this machine, but --root=%s has its own programs", f.build.Launcher, f.rootArg))
		}
		if err := f.build.Check(); err != nil {
			return err
		}
	}
	if err := f.checkRoot(); err != nil {
		return err
	}
	f.recipe.Report, f.build.Report = u, u
	f.build.Cache, f.build.Getenv = a.cache(u), os.Getenv
	f.recipe.Cache, f.recipe.Outputs = f.build.Cache, a.outputs
	f.build.Home, _ = os.UserHomeDir() // without one nobody has settings of their own
	return nil
}

// checkRoot reads --root.
func (f *buildFlags) checkRoot() error {
	var err error
	if f.recipe.Root, err = rpmbuild.ParseRoot(f.rootArg); err != nil {
		return usage(fmt.Errorf("--root: %w", err))
	}
	if f.recipe.Root.Mock != "" && os.Getuid() == 0 {
		return usage(errors.New("--root: mock does not build for root: run ovzpatch as a user in the group mock"))
	}
	return nil
}

// recipeOf completes the options of a recipe.
func (f *buildFlags) recipeOf(port portFlags) recipe.Options {
	o := f.recipe
	o.Keyring, o.Port, o.Misplaced = f.key.keyring, port.Port, f.misplaced
	return o
}

// compileFlags ask for a trial compilation of what the patch touches.
type compileFlags struct {
	wanted bool
	build  buildFlags
}

func (f *compileFlags) register(c *cobra.Command) {
	c.Flags().BoolVar(&f.wanted, "compile", false, "also compile the C files that the patch touches, in a copy of the source")
	c.Flags().StringVar(&f.build.recipe.Config, "config", "", "with --compile: kernel configuration (default: a small one for guests)")
	f.build.registerSpec(c)
	c.Flags().BoolVar(&f.build.recipe.Compat, "compat", false, "with --compile: also apply what the line's old sources need for this machine's compiler")
}
