// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"ovzpatch/internal/slurm"
)

// waited is a cell without a result yet.
type waited struct {
	cell  *Cell
	job   string
	index int
	task  slurm.Task // as last seen; State is "" if it never was
	lost  bool       // Slurm no longer lists it
	gone  time.Time  // when it was first seen to be over
}

// reason returns why a cell has no result, by what Slurm says.
func (q *waited) reason(dir string) error {
	state := q.task.String()
	switch {
	case q.task.State == "":
		state = "Slurm never listed it"
	case q.lost && !q.task.Ended():
		// This happens to a task that is cancelled before it runs.
		state = "it is not in the queue any more, and was last seen there as " + state
	}
	return fmt.Errorf("task %s_%d of Slurm left no result: %s; its log is %s", q.job, q.index, state, filepath.Join(dir, fmt.Sprintf("%s_%d.log", q.job, q.index)))
}

// wait calls each for every result as it appears, and for every cell that will get none.
func (e *Cluster) wait(ctx context.Context, w *Work, p *progress, chunks []*chunk, each func(*Cell, error) error) error {
	var queue []*waited
	for _, ch := range chunks {
		for i, c := range ch.cells {
			queue = append(queue, &waited{cell: c, job: ch.job, index: i})
		}
	}
	defer e.Report.Done()
	limit := time.Now().Add(e.Wait)
	var silent error // of a controller that does not answer
	for {
		// The queue first, then the results: a task that has ended has written its result.
		tasks, err := e.c.Tasks(ctx, e.name)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && silent == nil {
			e.Report.Say("Slurm does not answer; waiting until it does: %v", err)
		} else if err == nil && silent != nil {
			e.Report.Say("Slurm answers again")
		}
		if silent = err; err == nil {
			note(queue, tasks)
		}
		var left []*waited
		for i, q := range queue {
			r, err := w.Result(q.cell.Key)
			switch {
			case err != nil:
			case r != nil:
			case !q.gone.IsZero() && time.Since(q.gone) >= e.Settle:
				err = q.reason(e.dir)
			case time.Now().After(limit):
				err = fmt.Errorf("no result within %v (wait in [slurm]): %w", e.Wait, q.reason(e.dir))
			default:
				left = append(left, queue[i])
				continue
			}
			if err := each(q.cell, err); err != nil {
				return err
			}
		}
		if queue = left; len(queue) == 0 {
			break
		}
		for _, q := range queue {
			q.show(p)
		}
		p.tell()
		if err := sleep(ctx, e.Poll); err != nil {
			return err
		}
	}
	e.Report.Done()
	return e.finish(ctx, chunks)
}

// finish cancels what still runs when every cell is decided: second copies of tasks whose node was lost, and
// all tasks when the time is over.
func (e *Cluster) finish(ctx context.Context, chunks []*chunk) error {
	var jobs []string
	for _, ch := range chunks {
		jobs = append(jobs, ch.job)
	}
	if err := e.c.Cancel(ctx, jobs...); err != nil {
		return err
	}
	// A task that ends slowly, such as one on a lost node, changes no result.
	if err := e.gone(ctx, jobs, 30*time.Second); err != nil && ctx.Err() == nil {
		e.Report.Say("%v", err)
	}
	return nil
}

// note records what Slurm says of the tasks. A task that was requeued is no longer over.
func note(queue []*waited, tasks []slurm.Task) {
	type id struct {
		job   string
		index int
	}
	known := map[id]slurm.Task{}
	for _, t := range tasks {
		known[id{t.Job, t.Index}] = t
	}
	for _, q := range queue {
		t, ok := known[id{q.job, q.index}]
		if q.lost = !ok; ok {
			q.task = t
		}
		switch {
		case ok && !t.Ended():
			q.gone = time.Time{}
		case q.gone.IsZero():
			q.gone = time.Now()
		}
	}
}

// show tells the progress how far the cell is, by what Slurm says.
func (q *waited) show(p *progress) {
	switch {
	case q.task.State == "RUNNING" && !q.lost:
		p.begin(q.cell, "", "on "+q.task.Node)
	case q.task.State == "":
		p.wait(q.cell, "Slurm does not list it yet")
	case q.lost:
		p.wait(q.cell, "gone from the queue")
	default: // nothing else shows why a task that never runs waits
		p.wait(q.cell, strings.ToLower(q.task.State)+": "+q.task.Reason)
	}
}
