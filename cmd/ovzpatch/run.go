// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/report"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/source"
	"ovzpatch/internal/tool"
	"ovzpatch/patches"
)

// debianSources are where Debian's package linux-source puts the kernel source of its
// release: linux-source-6.1.tar.xz on Debian 12, 6.12 on 13.
const debianSources = "/usr/src/linux-source-*.tar.*"

// newestSource is the file of the highest version that a pattern matches, "" for none. A
// machine that went from one release to the next has the older source, too.
func newestSource(pattern string) string {
	found, _ := filepath.Glob(pattern) // patterns of ours only
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return slices.Compare(versionOf(a), versionOf(b)) })
}

// versionOf gives the numbers in the name of a file.
func versionOf(path string) []int {
	var numbers []int
	for _, digits := range digitsInName.FindAllString(filepath.Base(path), -1) {
		n, _ := strconv.Atoi(digits) // digits
		numbers = append(numbers, n)
	}
	return numbers
}

var digitsInName = regexp.MustCompile(`[0-9]{1,9}`)

// portFlags choose the patch.
type portFlags struct{ fit.Port }

func (f *portFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.Line, "line", "", "take the port for this line instead of the one found out")
	c.Flags().StringVar(&f.File, "patch", "", "take this patch file instead of a port of ours")
	c.MarkFlagsMutuallyExclusive("line", "patch")
	c.RegisterFlagCompletionFunc("line", cobra.FixedCompletions(patches.Lines(), cobra.ShellCompDirectiveNoFileComp))
}

// registerDerive is for the commands that can do without a port of ours.
func (f *portFlags) registerDerive(c *cobra.Command) {
	c.Flags().Var((*deriving)(&f.Derive), "derive", "derive the port from the source: never, auto (where none of ours fits) or always")
	c.RegisterFlagCompletionFunc("derive", cobra.FixedCompletions(fit.Derivings, cobra.ShellCompDirectiveNoFileComp))
	for _, other := range []string{"line", "patch"} {
		c.MarkFlagsMutuallyExclusive("derive", other)
	}
}

// deriving is a flag's value.
type deriving fit.Deriving

func (d *deriving) String() string {
	if *d == "" {
		return string(fit.Auto)
	}
	return string(*d)
}

func (d *deriving) Set(s string) error {
	if !slices.Contains(fit.Derivings, s) {
		return fmt.Errorf("it is one of %s", strings.Join(fit.Derivings, ", "))
	}
	*d = deriving(s)
	return nil
}

func (*deriving) Type() string { return "WHEN" }

func newRun(a *app) *cobra.Command {
	var (
		port   portFlags
		build  buildFlags
		test   testFlags
		proof  proveFlags
		out    string
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "run [SOURCE]",
		Short: "Do everything: build with and without the patch, boot both, one verdict",
		Long: `run checks that the patch fits SOURCE (a source RPM, a tarball or a tree), builds kernel
packages with and without it, boots both kernels in QEMU, tries in containers what
the patch is about, and prints a table and a verdict: with the patch the kernel must
be protected, without it vulnerable.

Without SOURCE it takes the kernel source of this Debian (the newest ` + debianSources + `).
What is expensive and unchanged is kept in the cache; --no-cache does without.
` + exitLongText,
		Example: `  ovzpatch run
  ovzpatch run linux-6.1.tar.xz -o rpms
  ovzpatch run ~/src/linux --config my.config --patch my.patch`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, u := c.Context(), newUI(c.ErrOrStderr())
			if build.tag == "" {
				return job.BadRequest(errors.New("--release-tag: run needs one, for the packages with and without the patch must differ in their names"))
			}
			if err := errors.Join(build.check(), test.check(), checkOutput(out)); err != nil {
				return err
			}
			path := newestSource(debianSources)
			if len(args) == 1 {
				path = args[0]
			} else if path == "" {
				return job.BadRequest(fmt.Errorf("there is no %s: install it with `apt-get install linux-source`, or name a SOURCE", debianSources))
			}
			if err := tool.Need(build.tools(), tool.Guest); err != nil {
				return err
			}
			built := func(list []*kernelrpm.Contents) error { return contentsTable(c.ErrOrStderr(), list) }
			r, err := a.proveSource(ctx, u, path, port, build, test, proof, out, built)
			if err != nil {
				return err
			}
			return finish(c, r, asJSON)
		},
	}
	port.register(c)
	port.registerDerive(c)
	build.register(c)
	test.register(c)
	proof.register(c, true)
	c.Flags().StringVarP(&out, "output", "o", "", "copy the packages, logs and the report into this directory")
	c.Flags().BoolVar(&asJSON, "json", false, "write the report as JSON")
	return c
}

// finish prints the report and turns a verdict nobody expected into its exit code.
func finish(c *cobra.Command, r *report.Report, asJSON bool) error {
	write := r.Text
	if asJSON {
		write = r.JSON
	}
	if err := write(c.OutOrStdout()); err != nil {
		return err
	}
	switch {
	case !r.Behaved():
		return job.Misbehaved(errors.New("a kernel did not behave as expected: see the report"))
	case !r.Conclusive():
		return job.NoVerdict(errors.New("there is no verdict: some cases could not be tried; see the report"))
	}
	return nil
}

// proveSource is the whole way from a source to the verdicts. built is told what is in the
// packages of each build.
func (a *app) proveSource(ctx context.Context, u job.Reporter, path string, pf portFlags, bf buildFlags, tf testFlags, proof proveFlags, out string, built func([]*kernelrpm.Contents) error) (*report.Report, error) {
	in, recipes, done, err := a.prepare(ctx, u, path, pf, bf)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := proof.prove(ctx, u, recipes); err != nil {
		return nil, err
	}
	accel, err := a.accelerator(ctx, u)
	if err != nil {
		return nil, err
	}
	rep := &report.Report{Source: path, Line: in.Line, Patch: in.Name, Accel: accel.Name}
	if in.Derived != nil {
		rep.Derived = in.Derived.Summary()
	}
	for _, side := range []struct {
		recipe *recipe
		label  string
		expect guest.Verdict
	}{
		{recipes.with, "with the patch", guest.Protected},
		{recipes.without, "without the patch", guest.Vulnerable},
	} {
		b, packages, err := a.buildPackages(ctx, u, side.recipe, bf)
		if err == nil {
			err = built(packages)
		}
		if err != nil {
			return nil, err
		}
		if out != "" {
			if err := b.copyOut(out); err != nil {
				return nil, err
			}
		}
		tried, err := a.tryBuild(ctx, u, b, len(bf.flavours) > 0, trial{label: side.label, expect: side.expect, accel: accel, flags: tf, logDir: out})
		if err != nil {
			return nil, err
		}
		rep.Kernels = append(rep.Kernels, tried...)
	}
	if out != "" {
		if err := atomicfile.Write(filepath.Join(out, "report.json"), rep.JSON); err != nil {
			return nil, err
		}
		u.Say("packages, consoles and report.json are in %s", out)
	}
	return rep, nil
}

// tryBuild boots the kernels of a finished build: those of the flavours that were asked
// for, else the plain one.
func (a *app) tryBuild(ctx context.Context, u job.Reporter, b *kernelBuild, all bool, t trial) ([]report.Kernel, error) {
	packages, err := b.kernels(ctx)
	if err != nil {
		return nil, err
	}
	if !all {
		packages = packages[:1]
	}
	var list []report.Kernel
	for _, p := range packages {
		if name := filepath.Base(p.Kernel); all && strings.Contains(name, "-xen-") {
			u.Say("%s is a kernel for Xen, which QEMU does not boot: not tried", name)
			continue
		}
		k, err := a.tryPackages(ctx, u, p.Kernel, p.Devel, t)
		if err != nil {
			return nil, err
		}
		list = append(list, *k)
	}
	if len(list) == 0 {
		return nil, job.BadRequest(errors.New("none of these flavours can be tried in QEMU; use ovzpatch build"))
	}
	return list, nil
}

// prepare opens a source and puts together what both kernels are made from. done removes
// what only had to live as long.
func (a *app) prepare(ctx context.Context, u job.Reporter, path string, pf portFlags, bf buildFlags) (in *input, s *sides, done func(), err error) {
	if err := bf.check(); err != nil {
		return nil, nil, nil, err
	}
	u.Say("reading %s", path)
	f, err := fit.Check(ctx, fit.Request{Source: path, Keyring: bf.key.keyring, Port: pf.Port, Spec: bf.fitSpec(), Place: patch.Options{Strip: -1}, Report: u})
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	var misplaced *gate.Error
	switch {
	case f != nil && f.Plan != nil && f.Plan.Applied:
		how := "take it out with ovzpatch apply --reverse"
		if f.Source.Kind == source.RPM {
			how = "give the package it was made from (ovzpatch check tells which of its patches it is in)"
		}
		return nil, nil, nil, job.Misfit(fmt.Errorf("the patch is in %s already, and the comparison needs it without: %s", path, how))
	case errors.As(err, &misplaced) && bf.misplaced && (f.Findings.Own == nil || f.Findings.Own.Err() == nil):
		u.Say("going on although %v", err)
	case err != nil:
		return nil, nil, nil, err
	}
	in = &input{Fit: f}
	if f.Derived != nil {
		u.Say("the port is derived %s; nobody has tried it", f.Derived.Summary())
	}
	u.Say("%s: %s; the patch fits:", f.Source.Kind, describeKernel(f.Kernel.String(), f.Line))
	for _, p := range f.Plan.Placements {
		u.Say("  %s", fit.PlacementLine(p))
	}
	if f.Findings.Own != nil {
		f.Findings.Own.Rows(func(what, format string, args ...any) { u.Say("  %-8s %s", what, fmt.Sprintf(format, args...)) })
	}
	if s, err = in.recipes(ctx, u, bf); err != nil {
		return nil, nil, nil, err
	}
	s.with.root, s.without.root = bf.root, bf.root
	if gcc := newCompiler(ctx); gcc != "" && bf.root == (rpmbuild.Root{}) && !bf.compat && len(patches.Compat(f.Line)) > 0 {
		u.Say("kernels of line %s do not compile with gcc %s as they are: add --compat for a test, or build where an older compiler lives (--root)", f.Line, gcc)
	}
	if bf.noCache {
		if err = a.forget(ctx, u, s); err != nil {
			return nil, nil, nil, err
		}
	}
	return in, s, f.Close, nil
}
