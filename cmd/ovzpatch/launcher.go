// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/launcher"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/tool"
)

// checkLauncher refuses a launcher that is unknown or not installed.
func (f *buildFlags) checkLauncher() error {
	if f.launcher == "" {
		return nil
	}
	if f.rootArg != "" {
		return job.BadRequest(fmt.Errorf("--launcher=%s: it is a program of this machine, and --root=%s has its own", f.launcher, f.rootArg))
	}
	i := slices.IndexFunc(tool.Launchers, func(t tool.Tool) bool { return t.Name == f.launcher })
	if i < 0 {
		return job.BadRequest(fmt.Errorf("--launcher=%s: it is one of %s", f.launcher, strings.Join(launcher.Names(), ", ")))
	}
	if err := tool.Need(tool.Launchers[i : i+1]); err != nil {
		return job.BadRequest(fmt.Errorf("--launcher=%s: %w", f.launcher, err))
	}
	return nil
}

// launch lets a job's compilations go through the launcher that was asked for. done ends
// that, says what came of it, and gives it; nil where there is no launcher.
func (f *buildFlags) launch(ctx context.Context, u job.Reporter, job *rpmbuild.Job) (done func() *launcher.Report, err error) {
	if job.Jobs = f.jobs; job.Jobs == 0 {
		job.Jobs = runtime.NumCPU() + 1
	}
	if f.again {
		job.Jobs++
		job.Env = append(job.Env, "TZ=UTC-11")
	}
	if f.launcher == "" {
		return func() *launcher.Report { return nil }, nil
	}
	l, err := launcher.Setup(ctx, f.launcher, os.Getenv, filepath.Join(job.Topdir, "launcher"))
	if err != nil {
		return nil, err
	}
	job.Env = append(job.Env, l.Env()...)
	if f.again {
		job.Env = append(job.Env, l.Afresh()...)
	}
	if n := l.Jobs(ctx); f.jobs == 0 && n > 0 {
		job.Jobs = n
	}
	u.Say("compiling through %s, %d files at one time (-j)", f.launcher, job.Jobs)
	return func() *launcher.Report {
		r, err := l.Finish(ctx)
		if err != nil {
			// The packages are none the worse.
			u.Say("%v", err)
			return nil
		}
		u.Say("%v", r)
		return r
	}, nil
}
