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

// Log is the kernel's log; *kmsg.Reader implements it. Since returns what was printed since its last call.
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
	// Compat: there is a 32-bit program for the cases that need one.
	Compat bool
	// Bucket: the kernel limits messages by vz_ratelimit, as OpenVZ's 2.6.18 does.
	Bucket bool
	// Unload unloads the filesystem's module after all cases; nil leaves it loaded.
	Unload func() error
	// Leaks is read after all cases; nil if the kernel has no kmemleak.
	Leaks *Leaks
	// Start is called before each trial.
	Start func(Trial) error

	crew crew
}

// Run does the trials one after another and reports each as it ends. A case that cannot be tried is reported as
// inconclusive. Run itself fails only if report fails, ctx ends, or the kernel complains after the last case.
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

// perhapsElsewhere reports whether something else than the case may be the cause, which then does not happen again: a
// line in the log that is not about umounts, or a machine that stood still.
func perhapsElsewhere(got guest.Seen) bool {
	return got.Odd != "" && !named(got.Odd) || got.Waited > waitLimit || got.Slower > slowLimit
}

// room returns how many messages the rate limit must have room for.
func room(w Want) int {
	switch {
	case w.Flood && w.Messages == 0:
		return 0
	case w.Flood:
		return burst
	}
	return max(1, w.Messages)
}

// openStage mounts a tmpfs at dir. Mounts in there propagate to the containers.
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
		// After a failure the containers may be in any state.
		err = errors.Join(err, r.crew.dismiss())
		res.Verdict, res.Why = guest.Inconclusive, err.Error()
		// If the kernel complained, there is a verdict even though the case was cut short.
		if res.Got.Trouble != "" {
			res.Verdict, res.Why = guest.Faulty, complaint(res.Got.Trouble)+" ("+err.Error()+")"
		}
		return res
	}
	res.Verdict, res.Why, res.Finding = Judge(t.Case, t.Backend.Gate, res.Got)
	return res
}

// observe tries a case. It reads the log and the counts after the scene was struck, because that is a part of the case:
// it must leave the filesystem alone, too.
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

// leftLimit is how long a superblock may live after its last use: a kernel thread may remove it later.
const leftLimit = 2 * time.Second

// left returns how many more superblocks there are than before.
func (r *Runner) left(before int) (int, error) {
	for limit := time.Now().Add(leftLimit); ; time.Sleep(2 * time.Millisecond) {
		now, err := r.Filesystem.Live()
		if err != nil || now <= before || time.Now().After(limit) {
			return max(0, now-before), err
		}
	}
}

// leave is the last case: it finds out whether anything is left.
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

// leaked looks for leaked memory, and returns where the first piece was allocated.
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

// between returns the first trouble that the kernel logged since the case before ended, for example while it removed
// a container. Messages in that time are no evidence for any case.
func (r *Runner) between() (trouble string, err error) {
	records, err := r.Log.Since()
	var late guest.Seen
	evidence(records, &late)
	return late.Trouble, err
}

// phases holds what the kernel logged before the act and during it.
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
