// SPDX-License-Identifier: Apache-2.0

// Package prove is the main job: it builds a kernel with the patch and without it, boots both,
// and reports whether the one is protected and the other is not.
//
//	fit     does the patch fit the source, and is its hook reached
//	recipe  the spec with the patch in it, and its sources
//	build   packages by rpmbuild, or from the cache
//	probe   the module that stands in for Lustre
//	trial   boots a kernel and tries what the patch is about
//	livepatch, if it is asked for: the port as a module for the kernel without the patch
package prove

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/build"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/report"
	"ovzpatch/internal/trial"
)

// Options say how the main job is done: those of its steps, and what is between them.
type Options struct {
	Recipe recipe.Options
	Build  build.Options
	Trial  trial.Options
	// Place runs %prep of a source RPM's own spec, and looks for the patch where %build works.
	Place  bool
	Afresh bool   // build anew, whatever is in the cache
	Only   string // one of Sides: only that kernel; "" for both
	Out    string // directory that gets packages, logs and the report; "" for none
	// Store keeps the build with the patch as a snapshot with both verdicts; nil for none. Words
	// are noted with it: those that it was asked for with.
	Store *datastore.Store
	Words []string
	// Built is told what is in the packages of each build; nil for nobody.
	Built func([]*kernelrpm.Contents) error
	// Report is for the steps, too.
	Report job.Reporter
}

// The kernel with the patch, and the one without it.
const (
	With    = "with"
	Without = "without"
)

// Sides are what Options.Only may be.
var Sides = []string{With, Without}

// Check refuses what the two kernels cannot be compared by.
func (o Options) Check() error {
	switch {
	case o.Recipe.Tag == "":
		return job.BadRequest(errors.New("--release-tag: run needs one, because the packages with and without the patch must differ in their names"))
	case o.Only != "" && !slices.Contains(Sides, o.Only):
		return job.BadRequest(fmt.Errorf("--only=%s: it must be %s, for the kernel with the patch or without it", o.Only, strings.Join(Sides, " or ")))
	case o.Only == With && o.Recipe.Livepatch:
		return job.BadRequest(errors.New("--only=with: --livepatch tries its module on the kernel without the patch"))
	}
	return nil
}

// side is one of the two kernels, and what became of it.
type side struct {
	recipe *recipe.Recipe
	label  string
	expect guest.Verdict
	built  *build.Result
	tried  []report.Kernel
}

// Prove is the whole way from a source to the verdicts: source is the path of a source RPM, a
// tarball or a tree. A kernel that does not behave as expected is in the report, and no error. With
// an error the report has what was found until then.
func Prove(ctx context.Context, source string, o Options) (*report.Report, error) {
	rep := &report.Report{Source: source}
	o.Recipe.Report, o.Build.Report, o.Trial.Report = o.Report, o.Report, o.Report
	o.Trial.LogDir = o.Out
	o.Trial.Debug = o.Recipe.Debug
	o.Recipe.Trial = o.Out == "" && o.Store == nil
	s, err := recipe.Make(ctx, source, o.Recipe)
	if err != nil {
		return rep, err
	}
	defer s.Close()
	s.Fit.Note(rep)
	if err := o.ready(s.Fit); err != nil {
		return rep, err
	}
	if o.Afresh {
		if err := build.Forget(ctx, s, o.Build); err != nil {
			return rep, err
		}
	}
	if err := s.ProvePlace(ctx, o.Report, o.Place); err != nil {
		return rep, err
	}
	with := &side{recipe: s.With, label: "with the patch", expect: guest.Protected}
	without := &side{recipe: s.Without, label: "without the patch", expect: guest.Vulnerable}
	switch o.Only {
	case With:
		err = o.prove(ctx, with)
	case Without:
		err = o.prove(ctx, without)
	default:
		err = o.prove(ctx, with, without)
	}
	rep.Accel = o.Trial.Accel.Name
	rep.Kernels = slices.Concat(with.tried, without.tried)
	if err != nil {
		return rep, err
	}
	if o.Recipe.Livepatch {
		states, err := o.livepatch(ctx, without.built)
		rep.Kernels = append(rep.Kernels, states...)
		if err != nil {
			return rep, err
		}
	}
	if o.Store != nil {
		if rep.Snapshot, err = o.keep(ctx, s, with, without); err != nil {
			return rep, err
		}
	}
	return rep, o.writeReport(rep)
}

// ready is an error where the guest for the kernel could not be made, which would else be told after it was built.
func (o *Options) ready(f *fit.Fit) error {
	arch, err := kernel.Arch(o.Recipe.Target)
	if err != nil {
		return err
	}
	return trial.Ready(o.Trial.Home, arch, f.Kernel.String())
}

// keep keeps the build with the patch as a snapshot, with both verdicts, and returns its name.
func (o *Options) keep(ctx context.Context, s *recipe.Sides, with, without *side) (string, error) {
	ref, err := with.built.Keep(ctx, o.Store, s.Fit, s.With, o.Words)
	if err == nil {
		err = trial.KeepBoth(ctx, o.Store, ref, with.tried, without.tried)
	}
	if err != nil {
		return "", err
	}
	o.Report.Say("kept with both verdicts as %s", ref)
	return ref.String(), nil
}

// writeReport writes the report beside the packages.
func (o *Options) writeReport(rep *report.Report) error {
	if o.Out == "" {
		return nil
	}
	if err := atomicfile.Write(filepath.Join(o.Out, "report.json"), rep.JSON); err != nil {
		return err
	}
	o.Report.Say("packages, consoles and report.json are in %s", o.Out)
	return nil
}

// prove builds one kernel after the other, and boots each when it is built: a guest needs one processor, and runs
// while the other kernel is built. So one that is in the cache goes first. An error of either ends both. How fast this
// machine's guests are is found out meanwhile: the first time that takes seconds.
func (o *Options) prove(ctx context.Context, sides ...*side) error {
	var first, later []*side
	for _, s := range sides {
		cached, err := build.Cached(ctx, s.recipe, o.how(s.recipe))
		if err != nil {
			return err
		}
		if cached {
			first = append(first, s)
		} else {
			later = append(later, s)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	accelerate := sync.OnceValue(func() error { return o.Trial.Accelerate(ctx) })
	g.Go(accelerate)
	g.Go(func() error {
		for _, s := range slices.Concat(first, later) {
			var err error
			if s.built, err = o.build(ctx, s.recipe); err != nil {
				return err
			}
			g.Go(func() (err error) {
				if err := accelerate(); err != nil {
					return err
				}
				s.tried, err = o.try(ctx, s.built, trial.Trial{Label: s.label, Expect: s.expect})
				return err
			})
		}
		return nil
	})
	return g.Wait()
}

// how says how a kernel is built. Whoever is to have it gets all packages.
func (o *Options) how(r *recipe.Recipe) build.Options {
	how := o.Build
	how.Trial = o.Recipe.Trial || o.Out == "" && !r.Patched
	return how
}

// build builds one kernel.
func (o *Options) build(ctx context.Context, r *recipe.Recipe) (*build.Result, error) {
	b, packages, err := build.Build(ctx, r, o.how(r))
	if err == nil && o.Built != nil {
		err = o.Built(packages)
	}
	if err == nil && o.Out != "" {
		err = b.CopyOut(o.Out)
	}
	return b, err
}

// try boots the kernels of a finished build: those of the flavours that were asked for, else
// the plain one.
func (o *Options) try(ctx context.Context, b *build.Result, t trial.Trial) ([]report.Kernel, error) {
	packages, err := b.Kernels(ctx)
	if err != nil {
		return nil, err
	}
	all := len(o.Recipe.Flavours) > 0
	if !all {
		packages = packages[:1]
	}
	var list []report.Kernel
	for _, p := range packages {
		if name := filepath.Base(p.Kernel); all && strings.Contains(name, "-xen-") {
			o.Report.Say("%s is a kernel for Xen, which QEMU does not boot: not tried", name)
			continue
		}
		k, err := trial.Packages(ctx, p, t, o.Trial)
		if k != nil {
			list = append(list, *k)
		}
		if err != nil {
			return list, err
		}
	}
	if len(list) == 0 {
		return nil, job.BadRequest(errors.New("none of these flavours can be tried in QEMU; use ovzpatch build"))
	}
	return list, nil
}
