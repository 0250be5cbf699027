// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
)

// Log is the kernel's log; *kmsg.Reader is one. Since returns what was printed after it was
// called last.
type Log interface {
	Since() ([]kmsg.Record, error)
}

// Runner tries cases. Its program must answer to AgentWord and UmountWord.
type Runner struct {
	Self  string        // path of this program
	Dir   string        // a directory of the host
	Log   Log           // read by nobody else
	Limit time.Duration // for one case

	Filesystem Filesystem
	// Compat says that there is a program for the cases of 32-bit programs.
	Compat bool
	// Bucket says that the kernel limits messages as OpenVZ's 2.6.18 does, by vz_ratelimit.
	Bucket bool
	// Unload takes the filesystem's module away when all was tried; nil leaves it there.
	Unload func() error
	// Leaks is looked into when all was tried; nil where the kernel has no kmemleak.
	Leaks *Leaks
	// Start is called before each trial.
	Start func(Trial) error

	crew crew
}

// Run tries the trials one after the other and reports each as it ends. A case that
// cannot be tried is reported inconclusive; Run itself fails only with report or ctx, or
// where the kernel complained when all was over.
func (r *Runner) Run(ctx context.Context, trials []Trial, report func(guest.Result) error) (results []guest.Result, err error) {
	if len(trials) > 0 {
		if err := openStage(r.Dir); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, r.crew.dismiss(), unix.Unmount(r.Dir, unix.MNT_DETACH)) }()
	}
	p := pace{bucket: r.Bucket}
	for i, t := range trials {
		if err := p.wait(ctx, room(t.Case.Wants[t.Backend.Gate].Patched)); err != nil {
			return results, err
		}
		if r.Start != nil {
			if err := r.Start(t); err != nil {
				return results, err
			}
		}
		start := time.Now()
		res := r.try(ctx, t, filepath.Join(r.Dir, strconv.Itoa(i)))
		p.note(res.Got.Messages, time.Now())
		if perhapsElsewhere(res.Got) && p.wait(ctx, burst) == nil {
			res = r.try(ctx, t, filepath.Join(r.Dir, strconv.Itoa(i)+"-again"))
			p.note(res.Got.Messages, time.Now())
		}
		res.Millis = time.Since(start).Milliseconds()
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

// perhapsElsewhere says whether a case shows what may come from elsewhere, and then does not
// come again: a line that has nothing to do with umounts, or a machine that stood still.
func perhapsElsewhere(got guest.Seen) bool {
	return got.Odd != "" && !named(got.Odd) || got.Waited > waitLimit || got.Slower > slowLimit
}

// room is how many messages must find room.
func room(w Want) int {
	switch {
	case w.Flood && w.Messages == 0:
		return 0
	case w.Flood:
		return burst
	}
	return max(1, w.Messages)
}

// openStage makes dir a filesystem of its own, whose mounts come to the containers, too.
func openStage(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make directory for the mounts: %w", err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount tmpfs at %s: %w", dir, err)
	}
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		return errors.Join(fmt.Errorf("share the mounts in %s: %w", dir, err), unix.Unmount(dir, unix.MNT_DETACH))
	}
	return nil
}

func (r *Runner) try(ctx context.Context, t Trial, dir string) guest.Result {
	res := guest.Result{Name: t.Case.Name, Backend: t.Backend.Name}
	if t.Case.Last {
		return r.leave(res)
	}
	var err error
	if res.Log, err = r.observe(ctx, t, dir, &res.Got); err != nil {
		// What went wrong may have left the containers in any state.
		err = errors.Join(err, r.crew.dismiss())
		res.Verdict, res.Why = guest.Inconclusive, err.Error()
		// A case that its kernel broke off is not without a verdict.
		if res.Got.Trouble != "" {
			res.Verdict, res.Why = guest.Faulty, complaint(res.Got.Trouble)+" ("+err.Error()+")"
		}
		return res
	}
	res.Verdict, res.Why, res.Finding = Judge(t.Case, t.Backend.Gate, res.Got)
	return res
}

// observe tries a case. The log and the counts are read after everything was taken down,
// for that is part of the case: it too must leave the filesystem alone.
func (r *Runner) observe(ctx context.Context, t Trial, dir string, seen *guest.Seen) ([]string, error) {
	before, err := r.Filesystem.Forced(t.Case.Type)
	if err != nil {
		return nil, err
	}
	live, err := r.Filesystem.Live()
	if err != nil {
		return nil, err
	}
	late, err := r.between()
	if err != nil {
		return nil, err
	}
	during, acted := r.perform(ctx, t, dir, seen)
	rest, logged := r.Log.Since()
	lines := evidence(append(during.before, append(during.act, rest...)...), seen)
	seen.Odd = odd(during.act, t.Case.Uncounted)
	if late != "" {
		seen.Trouble = late + " (before this case began)"
	}
	after, counted := r.Filesystem.Forced(t.Case.Type)
	seen.Forced = after - before
	var left error
	if acted == nil {
		seen.Left, left = r.left(live)
	}
	return lines, errors.Join(acted, logged, counted, left)
}

// leftLimit is how long a superblock that nobody uses any more may live: its end may be
// left to a thread of the kernel.
const leftLimit = 2 * time.Second

// left is how many superblocks there are more than before.
func (r *Runner) left(before int) (int, error) {
	for limit := time.Now().Add(leftLimit); ; time.Sleep(2 * time.Millisecond) {
		now, err := r.Filesystem.Live()
		if err != nil || now <= before || time.Now().After(limit) {
			return max(0, now-before), err
		}
	}
}

// leave is the last case: that nothing is left.
func (r *Runner) leave(res guest.Result) guest.Result {
	err := r.crew.dismiss()
	if err == nil {
		res.Got.Left, err = r.left(0)
	}
	if err != nil {
		res.Verdict, res.Why = guest.Inconclusive, err.Error()
		return res
	}
	res.Got.Errno, res.Verdict = "0", guest.Either
	if r.Unload != nil {
		err = r.Unload()
		res.Got.Errno = errnoName(err)
	}
	if err != nil || res.Got.Left > 0 {
		res.Verdict = guest.Faulty
		res.Why = fmt.Sprintf("on any kernel: superblocks left behind 0, not %d; unloading the probe's module gives %s", res.Got.Left, res.Got.Errno)
		return res
	}
	if res.Log, err = r.leaked(&res.Got); err != nil {
		res.Verdict, res.Why = guest.Inconclusive, err.Error()
	} else if res.Got.Trouble != "" {
		res.Verdict, res.Why = guest.Faulty, complaint(res.Got.Trouble)
	}
	return res
}

// leaked looks for memory that is kept, and returns where the first of it was allocated.
func (r *Runner) leaked(seen *guest.Seen) ([]string, error) {
	if r.Leaks == nil {
		return nil, nil
	}
	lines, err := r.Leaks.scan()
	if err != nil {
		return nil, err
	}
	seen.Trouble, err = r.between()
	return lines, err
}

// between returns the first trouble that the kernel told of since the case before ended, as
// when a container's remains are taken away later. Messages in there are nobody's evidence.
func (r *Runner) between() (trouble string, err error) {
	records, err := r.Log.Since()
	var late guest.Seen
	evidence(records, &late)
	return late.Trouble, err
}

// phases is what the kernel wrote before the act and during it.
type phases struct{ before, act []kmsg.Record }

func (r *Runner) perform(ctx context.Context, t Trial, dir string, seen *guest.Seen) (log phases, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.Limit, fmt.Errorf("not done within %v", r.Limit))
	defer cancel()
	s, err := r.stage(ctx, t.Case, t.Backend, dir)
	defer func() { err = errors.Join(err, s.strike()) }()
	if err != nil {
		return log, err
	}
	if log.before, err = r.Log.Since(); err != nil {
		return log, err
	}
	start := time.Now()
	if seen.Errno, err = t.Case.act(ctx, s); err != nil {
		return log, err
	}
	seen.Acted = time.Since(start).Milliseconds()
	if err := s.look(ctx, seen); err != nil {
		return log, err
	}
	log.act, err = r.Log.Since()
	return log, err
}
