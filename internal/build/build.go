// SPDX-License-Identifier: Apache-2.0

// Package build makes kernel packages of a recipe: by rpmbuild, or from the cache. It looks into
// what came out, can show that a build is reproducible, and keeps a build in a datastore.
package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/rpmbuild"
)

// Options say how kernels are built.
type Options struct {
	Cache    cache.Cache
	NoDeps   bool // do not check BuildRequires
	Jobs     int  // compile jobs at one time; 0 for what suits the machine, or the launcher's machines
	Nice     int
	Launcher string // what compilations go through, "" for nothing
	Trial    bool   // make the kernel package alone: a trial needs no other
	Limit    time.Duration
	Getenv   func(string) string // the environment that launchers are set up from
	Home     string              // the user's directory, where settings of mock may be
	Report   job.Reporter
}

// maxJobs is far more than any compiler farm has.
const maxJobs = 4096

// Check refuses values that no build can take.
func (o *Options) Check() error {
	if o.Jobs < 0 || o.Jobs > maxJobs {
		return job.BadRequest(fmt.Errorf("--jobs=%d: it must be 1 to %d, or 0 for this machine's default", o.Jobs, maxJobs))
	}
	if o.Limit <= 0 {
		return job.BadRequest(fmt.Errorf("--build-timeout=%v: it must be a time above 0, for example 90m or 3h", o.Limit))
	}
	if o.Nice < 0 || o.Nice > 19 {
		return job.BadRequest(fmt.Errorf("--nice=%d: it must be 0 to 19", o.Nice))
	}
	return o.checkLauncher()
}

// builder builds one recipe.
type builder struct {
	*recipe.Recipe
	o     Options
	u     job.Reporter
	again bool // a second build, to compare with: everything is compiled, and otherwise
	lean  bool // in place of the -devel package an archive of its files
}

// Build makes the packages of a recipe, or takes them from the cache, and looks into them.
// Recipes that differ in nothing but the text of the patch share one directory of compiled
// objects.
func Build(ctx context.Context, r *recipe.Recipe, o Options) (*Result, []*kernelrpm.Contents, error) {
	b := newBuilder(r, o)
	res, err := b.packages(ctx)
	if err != nil {
		return nil, nil, err
	}
	list, err := res.lookIntoAll(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	b.u.Say("all digests of the packages are correct:")
	for _, c := range list {
		if c.Unread != "" {
			b.u.Say("NOT checked: %s: %s", c.File, c.Unread)
		}
	}
	return res, list, nil
}

// newBuilder makes a builder. Only our own spec leaves its -devel package out, with a tar that is not
// of old times.
func newBuilder(r *recipe.Recipe, o Options) *builder {
	return &builder{Recipe: r, o: o, u: o.Report, lean: o.Trial && !r.Foreign && r.Root == (rpmbuild.Root{})}
}

// packages takes the packages from the cache or from rpmbuild.
func (b *builder) packages(ctx context.Context) (*Result, error) {
	ctx, cancel := b.o.within(ctx)
	defer cancel()
	objects, packages, all, err := b.allKeys(ctx)
	if err != nil {
		return nil, err
	}
	if res := b.kept(packages, all); res != nil {
		b.sayCached(res)
		return res, nil
	}
	work, err := b.workDir(ctx, "objects", objects)
	if err != nil {
		return nil, err
	}
	defer work.Release()
	// The one waited for may have built just this.
	res, ok := b.cached(packages)
	if ok {
		b.sayCached(res)
	} else if res, err = b.made(ctx, packages, work); err != nil {
		return nil, err
	}
	if !b.o.Trial && res.Source == "" {
		return res, b.addSource(ctx, res, work.Dir, work.Hold)
	}
	return res, nil
}

// kept takes what was asked for from the cache; nil where it is not there. Whoever needs the kernel package alone
// takes it from among all of them, too.
func (b *builder) kept(packages, all string) *Result {
	for _, key := range []string{all, packages} {
		if res, ok := b.cached(key); ok && (res.Source != "" || b.o.Trial) {
			return res
		}
	}
	return nil
}

// Cached tells whether Build would take the packages from the cache. It is false for a root of another system, which is
// looked into when it is built in.
func Cached(ctx context.Context, r *recipe.Recipe, o Options) (bool, error) {
	if r.Root != (rpmbuild.Root{}) {
		return false, nil
	}
	b := newBuilder(r, o)
	_, packages, all, err := b.allKeys(ctx)
	return err == nil && b.kept(packages, all) != nil, err
}

// made has rpmbuild make the packages, and puts them into the cache.
func (b *builder) made(ctx context.Context, packages string, work *cache.Work) (*Result, error) {
	if err := b.o.Cache.Remove("packages", packages); err != nil {
		return nil, err
	}
	// It looks at every file of the cache, which takes seconds; meanwhile others compile.
	var pruning sync.WaitGroup
	pruning.Go(func() { b.prune(ctx) })
	defer pruning.Wait()
	res, err := b.run(ctx, work.Dir, work.Hold)
	if err != nil {
		return nil, err
	}
	dir, err := b.o.Cache.Put("packages", packages, func(dir string) error { return res.moveTo(dir) })
	if err != nil {
		return nil, err
	}
	res.Dir = dir
	b.u.Say("kernel %s the patch: built in %.0f s, %s%d warnings (log: %s)", b.Label(), res.Seconds, compiledText(res.Compiled), res.Warnings, res.Log())
	// What stays harms no build, and the next one begins with an empty one.
	if err := os.RemoveAll(filepath.Join(work.Dir, "top")); err != nil {
		b.u.Say("the build is done, but files of its own stay in the cache: %v", err)
	}
	return res, nil
}

// prune keeps the cache, as the last build left it, to its limits. What is in use stays, as this build. What
// cannot be read or removed ends no build.
func (b *builder) prune(ctx context.Context) {
	p, err := b.o.Cache.Prune(ctx, cache.Standard)
	if len(p.Removed) > 0 {
		b.u.Say("removed %d results from the cache that were used longest ago: %s are left", len(p.Removed), cache.Size(p.Left))
	}
	if err != nil && ctx.Err() == nil {
		b.u.Say("this build goes on, but the cache is not kept to its limits: %v", err)
	}
}

// cached takes packages from the cache.
func (b *builder) cached(key string) (*Result, bool) {
	dir, ok := b.o.Cache.Get("packages", key)
	if !ok {
		return nil, false
	}
	res, err := readBuild(dir)
	if err != nil {
		b.o.Cache.Reject("packages", key)
	}
	return res, err == nil
}

func (b *builder) sayCached(res *Result) {
	b.u.Say("kernel %s the patch: from the cache (%s)", b.Label(), res.Dir)
}

// within sets the time limit of one build.
func (o *Options) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, o.Limit, fmt.Errorf("time limit of %v reached; see --build-timeout", o.Limit))
}

// workDir returns a directory to compile in, which one process at a time may use.
func (b *builder) workDir(ctx context.Context, kind, key string) (*cache.Work, error) {
	w, err := b.compiled().Work(ctx, kind, key, func() {
		b.u.Say("another ovzpatch is compiling the same kernel; waiting for it")
	})
	if err == nil && len(w.Ended) > 0 {
		b.u.Say("ended %d programs that a killed ovzpatch had left compiling", len(w.Ended))
	}
	return w, err
}

// Forget removes what the cache has of both kernels, so that they are built anew.
func Forget(ctx context.Context, s *recipe.Sides, o Options) error {
	for _, r := range []*recipe.Recipe{s.With, s.Without} {
		o.Trial = true
		b := newBuilder(r, o)
		objects, packages, all, err := b.allKeys(ctx)
		if err != nil {
			return err
		}
		work, err := b.workDir(ctx, "objects", objects)
		if err != nil {
			return err
		}
		err = errors.Join(os.RemoveAll(work.Dir), o.Cache.Remove("packages", packages), o.Cache.Remove("packages", all))
		work.Release()
		if err != nil {
			return fmt.Errorf("forget cached build: %w", err)
		}
	}
	return nil
}
