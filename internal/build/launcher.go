// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
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
func (o *Options) checkLauncher() error {
	if o.Launcher == "" {
		return nil
	}
	i := slices.IndexFunc(tool.Launchers, func(t tool.Tool) bool { return t.Name == o.Launcher })
	if i < 0 {
		return job.BadRequest(fmt.Errorf("--launcher=%s: it must be one of %s", o.Launcher, strings.Join(launcher.Names(), ", ")))
	}
	if err := tool.Need(tool.Launchers[i : i+1]); err != nil {
		return job.BadRequest(fmt.Errorf("--launcher=%s: %w", o.Launcher, err))
	}
	return nil
}

// launch lets a job's compilations go through the launcher that was asked for. done ends
// that, says what came of it, and returns it; nil where there is no launcher.
func (b *builder) launch(ctx context.Context, j *rpmbuild.Job) (done func() *launcher.Report, err error) {
	if j.Jobs = b.o.Jobs; j.Jobs == 0 {
		j.Jobs = runtime.NumCPU() + 1
	}
	if b.again {
		j.Jobs++
		j.Env = append(j.Env, "TZ=UTC-11")
	}
	if b.o.Launcher == "" {
		return func() *launcher.Report { return nil }, nil
	}
	l, err := launcher.Setup(ctx, b.o.Launcher, b.o.Getenv, filepath.Join(j.Topdir, "launcher"))
	if err != nil {
		return nil, err
	}
	j.Env = append(j.Env, l.Env()...)
	if b.again {
		j.Env = append(j.Env, l.Afresh()...)
	}
	if n := l.Jobs(ctx); b.o.Jobs == 0 && n > 0 {
		j.Jobs = n
	}
	b.u.Say("compiling through %s, %d files at one time (-j)", b.o.Launcher, j.Jobs)
	return func() *launcher.Report {
		r, err := l.Finish(ctx)
		if err != nil {
			// The packages are none the worse.
			b.u.Say("%v", err)
			return nil
		}
		b.u.Say("%v", r)
		return r
	}, nil
}
