// SPDX-License-Identifier: Apache-2.0

package prove

import (
	"context"
	"fmt"

	"ovzpatch/internal/build"
	"ovzpatch/internal/job"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/report"
)

// ahead is a trial of the kernel without the patch before its turn: while the other kernel is built, which leaves
// processors idle where it is linked and packed. What there is to say of it is said at its turn.
type ahead struct {
	dir  string // of the packages
	said later
	stop context.CancelFunc
	done chan struct{}

	tried []report.Kernel
	err   error
}

// later is a Reporter that keeps what is said.
type later struct {
	job.Quiet
	lines []string
}

func (l *later) Say(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// ahead starts the trial where the kernel is in the cache; nil where it is to be built.
func (o *Options) ahead(ctx context.Context, r *recipe.Recipe) (*ahead, error) {
	if o.Only != "" {
		return nil, nil
	}
	b, err := build.Cached(ctx, r, o.how(r))
	if b == nil || err != nil {
		return nil, err
	}
	return begin(ctx, b.Dir, func(ctx context.Context, said job.Reporter) ([]report.Kernel, error) {
		apart := *o
		apart.Report, apart.Trial.Report = said, said
		return apart.try(ctx, b, without)
	}), nil
}

func begin(ctx context.Context, dir string, try func(context.Context, job.Reporter) ([]report.Kernel, error)) *ahead {
	a := &ahead{dir: dir, done: make(chan struct{})}
	ctx, a.stop = context.WithCancel(ctx)
	go func() {
		defer close(a.done)
		a.tried, a.err = try(ctx, &a.said)
	}()
	return a
}

// end ends the trial, if it still runs. It may be called for a nil ahead.
func (a *ahead) end() {
	if a != nil {
		a.stop()
		<-a.done
	}
}

// wait returns what came of the trial of these packages, and says what there was to say. ok is false where none was begun,
// and where it failed: beside a build a guest is slower, so it is tried at its turn alone.
func (a *ahead) wait(dir string, u job.Reporter) (tried []report.Kernel, ok bool) {
	if a == nil || a.dir != dir {
		return nil, false
	}
	select {
	case <-a.done:
	default:
		u.Live("trying the kernel without the patch")
		<-a.done
		u.Done()
	}
	if a.err != nil {
		return nil, false
	}
	for _, line := range a.said.lines {
		u.Say("%s", line)
	}
	return a.tried, true
}
