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

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/build"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
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

// How the two kernels are tried.
var (
	with    = trial.Trial{Label: "with the patch", Expect: guest.Protected}
	without = trial.Trial{Label: "without the patch", Expect: guest.Vulnerable}
)

// Prove is the whole way from a source to the verdicts: source is the path of a source RPM, a
// tarball or a tree. A kernel that does not behave as expected is in the report, and no error. With
// an error the report has what was found until then.
func Prove(ctx context.Context, source string, o Options) (*report.Report, error) {
	rep := &report.Report{Source: source}
	o.Recipe.Report, o.Build.Report, o.Trial.Report = o.Report, o.Report, o.Report
	o.Trial.LogDir = o.Out
	o.Trial.Debug = o.Recipe.Debug
	s, err := recipe.Make(ctx, source, o.Recipe)
	if err != nil {
		return rep, err
	}
	defer s.Close()
	s.Fit.Note(rep)
	if o.Afresh {
		if err := build.Forget(ctx, s, o.Build); err != nil {
			return rep, err
		}
	}
	if err := s.ProvePlace(ctx, o.Report, o.Place); err != nil {
		return rep, err
	}
	if err := o.Trial.Accelerate(ctx); err != nil {
		return rep, err
	}
	rep.Accel = o.Trial.Accel.Name
	early, err := o.ahead(ctx, s.Without)
	if err != nil {
		return rep, err
	}
	defer early.end()
	var patched, plain *build.Result
	var protected, vulnerable []report.Kernel
	if o.Only != Without {
		if patched, err = o.build(ctx, s.With); err == nil {
			protected, err = o.try(ctx, patched, with)
		}
		rep.Kernels = append(rep.Kernels, protected...)
		if err != nil {
			return rep, err
		}
	}
	if o.Only != With {
		if plain, err = o.build(ctx, s.Without); err == nil {
			vulnerable, err = o.tried(ctx, plain, early)
		}
		rep.Kernels = append(rep.Kernels, vulnerable...)
		if err != nil {
			return rep, err
		}
		if o.Recipe.Livepatch {
			states, err := o.livepatch(ctx, plain)
			rep.Kernels = append(rep.Kernels, states...)
			if err != nil {
				return rep, err
			}
		}
	}
	if o.Store != nil {
		if rep.Snapshot, err = o.keep(ctx, s, patched, protected, vulnerable); err != nil {
			return rep, err
		}
	}
	return rep, o.writeReport(rep)
}

// keep keeps the build with the patch as a snapshot, with both verdicts, and returns its name.
func (o *Options) keep(ctx context.Context, s *recipe.Sides, patched *build.Result, protected, vulnerable []report.Kernel) (string, error) {
	ref, err := patched.Keep(ctx, o.Store, s.Fit, s.With, o.Words)
	if err == nil {
		err = trial.KeepBoth(ctx, o.Store, ref, protected, vulnerable)
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

// how says how a kernel is built. Whoever is to have it gets all packages.
func (o *Options) how(r *recipe.Recipe) build.Options {
	how := o.Build
	how.Trial = o.Out == "" && (o.Store == nil || !r.Patched)
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

// tried is what comes of the trial of the kernel without the patch: of the one that was begun before, or of one now.
func (o *Options) tried(ctx context.Context, b *build.Result, early *ahead) ([]report.Kernel, error) {
	if list, ok := early.wait(b.Dir, o.Report); ok {
		return list, nil
	}
	return o.try(ctx, b, without)
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
