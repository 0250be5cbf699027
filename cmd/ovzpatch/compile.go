// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/srpm"
)

// buildKernel gives the packages of a recipe, from the cache or from rpmbuild. Recipes
// that differ in nothing but the text of the patch share one directory of compiled objects.
func (a *app) buildKernel(ctx context.Context, u job.Reporter, r *recipe, f buildFlags) (*kernelBuild, error) {
	ctx, cancel := f.within(ctx)
	defer cancel()
	objects, packages, err := r.keys(ctx)
	if err != nil {
		return nil, err
	}
	store := cache.Cache{Dir: a.cacheDir}
	cached := func() (*kernelBuild, bool) {
		dir, ok := store.Get("packages", packages)
		if !ok {
			return nil, false
		}
		b, err := readBuild(dir)
		if err != nil {
			return nil, false
		}
		u.Say("kernel %s the patch: from the cache (%s)", r.label(), dir)
		return b, true
	}
	if b, ok := cached(); ok {
		return b, nil
	}
	work, err := workDir(ctx, u, a.compiled(r), "objects", objects)
	if err != nil {
		return nil, err
	}
	defer work.Release()
	// The one waited for may have built just this.
	if b, ok := cached(); ok {
		return b, nil
	}
	if err := store.Remove("packages", packages); err != nil {
		return nil, err
	}
	b, err := a.build(ctx, u, r, work.Dir, work.Hold, f)
	if err != nil {
		return nil, err
	}
	dir, err := store.Put("packages", packages, func(dir string) error { return b.moveTo(dir) })
	if err != nil {
		return nil, err
	}
	b.Dir = dir
	u.Say("kernel %s the patch: built in %.0f s, %s%d warnings (log: %s)", r.label(), b.Seconds, compiledText(b.Compiled), b.Warnings, b.log())
	return b, os.RemoveAll(filepath.Join(work.Dir, "top"))
}

// within sets the time limit of one build.
func (f *buildFlags) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, f.limit, fmt.Errorf("time limit of %v reached; see --build-timeout", f.limit))
}

// workDir gives a directory to compile in, which one process at a time may use.
func workDir(ctx context.Context, u job.Reporter, store cache.Cache, kind, key string) (*cache.Work, error) {
	w, err := store.Work(ctx, kind, key, func() {
		u.Say("another ovzpatch compiles the same kernel; waiting for it")
	})
	if err == nil && len(w.Ended) > 0 {
		u.Say("ended %d programs that an ovzpatch which was killed had left compiling", len(w.Ended))
	}
	return w, err
}

// forget removes what the cache has of both kernels, so that they are built anew.
func (a *app) forget(ctx context.Context, u job.Reporter, s *sides) error {
	store := cache.Cache{Dir: a.cacheDir}
	for _, r := range []*recipe{s.with, s.without} {
		objects, packages, err := r.keys(ctx)
		if err != nil {
			return err
		}
		work, err := workDir(ctx, u, a.compiled(r), "objects", objects)
		if err != nil {
			return err
		}
		err = errors.Join(os.RemoveAll(work.Dir), store.Remove("packages", packages))
		work.Release()
		if err != nil {
			return fmt.Errorf("forget cached build: %w", err)
		}
	}
	return nil
}

// build runs rpmbuild in a topdir below the work directory. Its programs inherit hold.
func (a *app) build(ctx context.Context, u job.Reporter, r *recipe, work string, hold *os.File, f buildFlags) (*kernelBuild, error) {
	top := filepath.Join(work, "top")
	// What a killed build left is of no use; its compiled objects are.
	if err := os.RemoveAll(top); err != nil {
		return nil, err
	}
	job := r.job()
	job.Root, job.Spec, job.Topdir, job.BuildDir = r.root, filepath.Join(top, "SPECS", r.SpecName), top, filepath.Join(work, "BUILD")
	job.NoDeps, job.Nice, job.Log, job.Hold = f.nodeps, f.nice, filepath.Join(top, "build.log"), hold
	switch {
	case r.root.Mock != "":
		// mock makes the root directory anew, with what the BuildRequires name.
		job.BuildDir = ""
	case !job.NoDeps && noDatabase(ctx, r.root):
		u.Say("%s has no RPM database, so rpmbuild does not check BuildRequires (--nodeps)", rootName(r.root))
		if err := r.checkRequires(ctx, u); err != nil {
			return nil, err
		}
		job.NoDeps = true
	}
	if r.root.Mock == "" {
		for _, s := range r.lacks() {
			u.Say("%s", s)
		}
	}
	recompiling, whole, err := startPoint(u, work, job.BuildDir)
	if err != nil {
		return nil, err
	}
	if job.Whole = whole; whole {
		u.Say("building the kernel %s the patch from nothing", r.label())
	} else {
		u.Say("building the kernel %s the patch, going on from files compiled earlier", r.label())
	}
	if err := job.Dirs(); err != nil {
		return nil, err
	}
	if r.root.Mock != "" {
		if job.Spec, err = srpm.Build(ctx, r.Inputs, filepath.Join(top, "SRPMS")); err != nil {
			return nil, err
		}
	} else if err := r.layOut(top); err != nil {
		return nil, err
	}
	launched, err := f.launch(ctx, u, &job)
	if err != nil {
		return nil, err
	}
	res, err := rpmbuild.Run(ctx, job, func(p rpmbuild.Progress) { u.Live("%s", buildLine(p)) })
	u.Done()
	farm := launched()
	err = errors.Join(err, os.RemoveAll(recompiling))
	if err != nil {
		// The log is all that a failed build leaves.
		if kept := filepath.Join(work, "failed.log"); os.Rename(job.Log, kept) == nil {
			var be *rpmbuild.Error
			if errors.As(err, &be) {
				be.Log = kept
			}
		}
		return nil, errors.Join(err, os.RemoveAll(top))
	}
	return &kernelBuild{Dir: top, Patched: r.patched, Source: res.Source, Packages: res.Packages,
		Compiled: res.Compiled, Warnings: res.Warnings, Seconds: res.Duration.Seconds(), Launcher: farm}, nil
}

// startPoint tells whether there is nothing in the build directory to go on from. Where
// there is, it leaves a mark that is to be removed when rpmbuild has ended.
//
// In a build from nothing make takes an object for whole when it has noted, last, the
// command that made it. When an object is compiled again the old note stands, and one
// that a SIGKILL of everything left half made would be taken for whole: then what the
// mark still stands in is not to be gone on from.
func startPoint(u job.Reporter, work, buildDir string) (mark string, whole bool, err error) {
	mark = filepath.Join(work, "recompiling")
	if _, err := os.Stat(mark); err == nil {
		u.Say("an ovzpatch was killed while it compiled files again: starting clean")
		if err := errors.Join(os.RemoveAll(buildDir), os.Remove(mark)); err != nil {
			return "", false, fmt.Errorf("clear build directory: %w", err)
		}
	}
	if none, err := hasNoObjects(buildDir); err != nil || none {
		return mark, none, err
	}
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		return "", false, fmt.Errorf("mark build directory: %w", err)
	}
	return mark, false, nil
}

// hasNoObjects tells whether nothing was compiled below a build directory, as where a build
// ended before that.
func hasNoObjects(buildDir string) (bool, error) {
	found := errors.New("found")
	err := filepath.WalkDir(buildDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Ext(path) == ".o" {
			return found
		}
		return err
	})
	switch {
	case errors.Is(err, found):
		return false, nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return true, nil
	}
	return false, fmt.Errorf("look into build directory: %w", err)
}

// compiledText says how many files were compiled; nothing where make did not say, as
// with -s in the specs of RHEL 5.
func compiledText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d files compiled, ", n)
}

// buildLine is the live line of a build.
func buildLine(p rpmbuild.Progress) string {
	s := p.Phase
	if p.Compiled > 0 {
		s += fmt.Sprintf("  %d", p.Compiled)
		if p.Expected > p.Compiled {
			s += fmt.Sprintf(" of about %d", p.Expected)
		}
		s += " files compiled"
	}
	if p.Warnings > 0 {
		s += fmt.Sprintf(", %d warnings", p.Warnings)
	}
	if left := p.Left(); left > 0 {
		s += fmt.Sprintf(", about %v left", left.Round(time.Second))
	}
	if p.Doing != "" {
		s += "  " + p.Doing
	}
	return s
}
