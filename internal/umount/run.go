// SPDX-License-Identifier: GPL-2.0-only

package umount

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
)

// Log is the kernel's log; *kmsg.Reader is one. Since gives what was printed after it was
// called last.
type Log interface {
	Since() ([]kmsg.Record, error)
}

// Runner tries cases. Its program must answer to AgentWord and UmountWord.
type Runner struct {
	Self  string        // path of this program
	Dir   string        // an empty directory of the host, on no shared mount
	Log   Log           // read by nobody else
	Limit time.Duration // for one case

	Filesystem Filesystem
}

// Run tries the trials one after the other and reports each as it ends. A case that
// cannot be tried is reported inconclusive; Run itself fails only with report or ctx, or
// where the kernel complained when all was over.
func (r *Runner) Run(ctx context.Context, trials []Trial, report func(guest.Result) error) ([]guest.Result, error) {
	var results []guest.Result
	var p pace
	for i, t := range trials {
		if err := p.wait(ctx); err != nil {
			return results, err
		}
		start := time.Now()
		res := r.try(ctx, t, filepath.Join(r.Dir, strconv.Itoa(i)))
		res.Millis = time.Since(start).Milliseconds()
		p.note(res.Got.Messages, time.Now())
		results = append(results, res)
		if err := report(res); err != nil {
			return results, err
		}
		if err := ctx.Err(); err != nil {
			return results, context.Cause(ctx)
		}
	}
	trouble, err := r.between()
	if trouble != "" {
		err = errors.Join(err, fmt.Errorf("after the last case the kernel complained: %s", trouble))
	}
	return results, err
}

func (r *Runner) try(ctx context.Context, t Trial, dir string) guest.Result {
	res := guest.Result{Name: t.Case.Name, Backend: t.Backend.Name}
	var err error
	if res.Log, err = r.observe(ctx, t, dir, &res.Got); err != nil {
		res.Verdict, res.Why = guest.Inconclusive, err.Error()
		// A case that its kernel broke off is not without a verdict.
		if res.Got.Trouble != "" {
			res.Verdict, res.Why = guest.Faulty, "the kernel complained: "+res.Got.Trouble+" ("+err.Error()+")"
		}
		return res
	}
	res.Verdict, res.Why = Judge(t.Case, t.Backend.Gate, res.Got)
	return res
}

// observe tries a case. The log and the count are read after everything was taken down,
// for that is part of the case: it too must leave the filesystem alone.
func (r *Runner) observe(ctx context.Context, t Trial, dir string, seen *guest.Seen) ([]string, error) {
	before, err := r.Filesystem.Forced(t.Case.Type)
	if err != nil {
		return nil, err
	}
	late, err := r.between()
	if err != nil {
		return nil, err
	}
	acted := r.perform(ctx, t, dir, seen)
	records, logged := r.Log.Since()
	lines := evidence(records, seen)
	if late != "" {
		seen.Trouble = late + " (before this case began)"
	}
	after, counted := r.Filesystem.Forced(t.Case.Type)
	seen.Forced = after - before
	return lines, errors.Join(acted, logged, counted)
}

// between gives the first trouble that the kernel told of since the case before ended, as
// when a container's remains are taken away later. Messages in there are nobody's evidence.
func (r *Runner) between() (trouble string, err error) {
	records, err := r.Log.Since()
	var late guest.Seen
	evidence(records, &late)
	return late.Trouble, err
}

func (r *Runner) perform(ctx context.Context, t Trial, dir string, seen *guest.Seen) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.Limit, fmt.Errorf("not done within %v", r.Limit))
	defer cancel()
	s, err := r.stage(ctx, t.Case, t.Backend, dir)
	defer func() { err = errors.Join(err, s.strike()) }()
	if err != nil {
		return err
	}
	start := time.Now()
	if seen.Errno, err = t.Case.act(ctx, s); err != nil {
		return err
	}
	seen.Acted = time.Since(start).Milliseconds()
	return s.look(ctx, t.Case, seen)
}
