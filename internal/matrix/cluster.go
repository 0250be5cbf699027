// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/slurm"
)

// Slurm is the file's table on how a cluster does the cells.
type Slurm struct {
	Options []string      `toml:"options"` // for sbatch
	CPUs    int           `toml:"cpus"`    // of one cell
	Cache   string        `toml:"cache"`   // on each node
	Temp    string        `toml:"tmp"`     // on each node
	Wait    time.Duration `toml:"wait"`    // for all
	Poll    time.Duration `toml:"poll"`    // time between two looks at the queue
	Settle  time.Duration `toml:"settle"`  // how long after the end of its task a result may appear
}

// complete fills in the defaults. Users do not share a cache, so user is a part of its name.
func (s *Slurm) complete(user int) {
	if s.CPUs == 0 {
		s.CPUs = 2
	}
	if s.Cache == "" {
		s.Cache = fmt.Sprintf("/var/tmp/ovzpatch-cache-%d", user)
	}
	if s.Temp == "" {
		s.Temp = "/var/tmp"
	}
	if s.Wait == 0 {
		s.Wait = 7 * 24 * time.Hour
	}
	if s.Poll == 0 {
		s.Poll = 5 * time.Second
	}
	if s.Settle == 0 {
		s.Settle = 90 * time.Second // a network filesystem may remember for a minute that a file is not there
	}
}

// checkMemory is for a cell that only checks, in bytes.
const checkMemory = 512 << 20

// Cluster does cells as tasks of Slurm. A task writes its result as a cell on this machine does, and only
// that result counts: what Slurm says of a task serves as the reason if there is no result.
type Cluster struct {
	Slurm
	Program string
	AtOnce  int // tasks at a time; 0 for as many as the cluster runs
	Report  job.Reporter

	c    *slurm.Cluster
	name string // of the jobs of all calls in the results' directory
	dir  string // for the tasks of this call
}

// chunk is the cells of one array.
type chunk struct {
	job    string
	offset int // of its first cell
	cells  []*Cell
}

// Run submits the cells, and waits for their results.
func (e *Cluster) Run(ctx context.Context, w *Work, p *progress, each func(*Cell, error) error) (err error) {
	if err := e.begin(ctx, w); err != nil {
		return err
	}
	lost := 0
	counted := func(c *Cell, err error) error {
		if err != nil {
			lost++
		}
		return each(c, err)
	}
	var jobs []string
	defer func() {
		if err != nil {
			// No task may go on, also if ctx has ended.
			err = errors.Join(err, e.cancel(context.WithoutCancel(ctx), w, p.cells, jobs))
		}
		// The logs say why a cell has no result.
		if ctx.Err() != nil || err == nil && lost == 0 {
			err = errors.Join(err, os.RemoveAll(e.dir))
		}
	}()
	// All tasks of an array get the same amount of memory.
	cells := slices.Clone(p.cells)
	slices.SortStableFunc(cells, func(a, b *Cell) int { return int(b.Limits.Memory>>20 - a.Limits.Memory>>20) })
	if err := e.hand(w, cells); err != nil {
		return err
	}
	if err := e.probe(ctx, &jobs); err != nil {
		return err
	}
	chunks := e.split(cells)
	if err := e.submit(ctx, chunks, &jobs); err != nil {
		return err
	}
	return e.wait(ctx, w, p, chunks, counted)
}

// begin finds the cluster, ends what an earlier call left there, and makes a directory for this one.
func (e *Cluster) begin(ctx context.Context, w *Work) (err error) {
	e.complete(os.Getuid())
	if e.c, err = slurm.Find(ctx); err != nil {
		return job.BadRequest(err)
	}
	e.name = "ovzpatch-" + cache.NewKey("matrix").Add("work", w.Dir).String()[:12]
	if err := e.clear(ctx); err != nil {
		return err
	}
	runs := filepath.Join(w.Dir, "slurm")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return fmt.Errorf("make directory for Slurm's tasks: %w", err)
	}
	if e.dir, err = os.MkdirTemp(runs, time.Now().UTC().Format("20060102T150405Z-")); err == nil {
		err = os.Chmod(e.dir, 0o755)
	}
	if err != nil {
		return fmt.Errorf("make directory for Slurm's tasks: %w", err)
	}
	return nil
}

// submit submits an array for each chunk, and adds their jobs to those that end with this call.
func (e *Cluster) submit(ctx context.Context, chunks []*chunk, jobs *[]string) (err error) {
	for i, ch := range chunks {
		first := ch.cells[0]
		ch.job, err = e.c.Submit(ctx, slurm.Array{
			Name: e.name, Script: filepath.Join(e.dir, "task.sh"), Args: []string{fmt.Sprint(ch.offset)}, Dir: e.dir, Tasks: len(ch.cells), AtOnce: e.AtOnce,
			CPUs: e.CPUs, Memory: max(int64(first.Limits.Memory), checkMemory),
			// The cell's own limit ends it first, with a better message than Slurm's.
			Time: first.Limits.Time + 5*time.Minute, Options: e.Options,
		})
		switch {
		case err != nil && i == 0: // for example, it asks for more than the cluster has
			return job.BadRequest(err)
		case err != nil:
			return err
		}
		*jobs = append(*jobs, ch.job)
		e.Report.Say("job %s of Slurm: %d cells", ch.job, len(ch.cells))
	}
	return nil
}

// clear cancels the jobs of a call that was killed.
func (e *Cluster) clear(ctx context.Context) error {
	tasks, err := e.c.Tasks(ctx, e.name)
	if err != nil {
		return job.BadRequest(err)
	}
	left := map[string]bool{}
	for _, t := range tasks {
		if !t.Ended() {
			left[t.Job] = true
		}
	}
	if len(left) == 0 {
		return nil
	}
	jobs := slices.Sorted(maps.Keys(left))
	e.Report.Say("cancelling jobs that an earlier call left: %s", strings.Join(jobs, " "))
	if err := e.c.Cancel(ctx, jobs...); err != nil {
		return err
	}
	return e.gone(ctx, jobs, goneLimit)
}

// goneLimit is how long cancelled tasks may take to end: Slurm waits for KillWait before it kills them.
const goneLimit = 3 * time.Minute

// gone waits until jobs have ended.
func (e *Cluster) gone(ctx context.Context, jobs []string, limit time.Duration) error {
	for end := time.Now().Add(limit); ; {
		tasks, err := e.c.Tasks(ctx, e.name)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(tasks, func(t slurm.Task) bool { return !t.Ended() && slices.Contains(jobs, t.Job) }) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("jobs %s were cancelled and are still there after %v: see squeue --me", strings.Join(jobs, " "), limit)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// cancel cancels jobs and removes what their tasks left unfinished.
func (e *Cluster) cancel(ctx context.Context, w *Work, cells []*Cell, jobs []string) error {
	if err := e.c.Cancel(ctx, jobs...); err != nil {
		return err
	}
	if err := e.gone(ctx, jobs, goneLimit); err != nil {
		return err
	}
	for _, c := range cells {
		if r, err := w.Result(c.Key); err != nil || r != nil {
			continue
		}
		if err := os.RemoveAll(w.attempts(c.Key)); err != nil {
			return err
		}
	}
	return nil
}

// probe runs one small task to find out whether nodes see the directory and this program.
func (e *Cluster) probe(ctx context.Context, jobs *[]string) error {
	id, err := e.c.Submit(ctx, slurm.Array{
		Name: e.name, Script: filepath.Join(e.dir, "probe.sh"), Dir: e.dir, Tasks: 1, Memory: checkMemory, Time: 5 * time.Minute, Options: e.Options,
	})
	if err != nil {
		return job.BadRequest(err)
	}
	*jobs = append(*jobs, id)
	defer e.Report.Done()
	var endedAt time.Time
	last := "nothing"
	for limit := time.Now().Add(e.Wait); ; {
		if _, err := os.Stat(filepath.Join(e.dir, "seen")); err == nil {
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if tasks, err := e.c.Tasks(ctx, e.name); err == nil {
			i := slices.IndexFunc(tasks, func(t slurm.Task) bool { return t.Job == id })
			if i >= 0 {
				last = tasks[i].String()
			}
			if (i < 0 || tasks[i].Ended()) && endedAt.IsZero() {
				endedAt = time.Now()
			}
		}
		e.Report.Live("waiting for a first small task, job %s: %s", id, last)
		if !endedAt.IsZero() && time.Since(endedAt) > e.Settle {
			log := filepath.Join(e.dir, id+"_0.log")
			text, err := os.ReadFile(log)
			if err != nil {
				text = []byte("it left no log, so its node does not see " + e.dir + "; name a directory with --output that all nodes see")
			}
			return job.BadRequest(fmt.Errorf("a first small task, job %s, ended (%s) and cannot do cells: %s", id, last, strings.TrimSpace(string(text))))
		}
		if time.Now().After(limit) {
			return fmt.Errorf("a first small task, job %s, did not run within %v; Slurm says %s", id, e.Wait, last)
		}
		if err := sleep(ctx, min(e.Poll, 2*time.Second)); err != nil {
			return err
		}
	}
}

// split divides the cells into arrays, each with one limit of memory and no larger than the cluster allows.
func (e *Cluster) split(cells []*Cell) []*chunk {
	var list []*chunk
	for i, c := range cells {
		n := len(list) - 1
		if n < 0 || len(list[n].cells) == e.c.MaxArray || list[n].cells[0].Limits.Memory != c.Limits.Memory {
			list = append(list, &chunk{offset: i})
			n++
		}
		list[n].cells = append(list[n].cells, c)
	}
	return list
}
