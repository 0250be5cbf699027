// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"errors"
	"fmt"

	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/trial"
)

// errFailFast ends a matrix at its first bad cell.
var errFailFast = errors.New("stopped at the first cell that is not as expected (--fail-fast)")

// Run does the cells that have no result yet. It returns a report of all cells, also with an error that
// ended the work early.
func (m *Matrix) Run(ctx context.Context, e Engine, failFast bool, u job.Reporter) (*report.Report, error) {
	rep := &report.Report{Source: m.File.Path, Kernels: []report.Kernel{}}
	unlock, err := m.Work.Ready()
	if err != nil {
		return rep, err
	}
	defer unlock()
	if n := scratch.Sweep(""); n > 0 {
		u.Say("temporary directories of processes that were killed: %d removed", n)
	}
	u.Say("reading %d cells of %s", len(m.Cells), m.File.Path)
	if err := m.Digest(ctx); err != nil {
		return rep, err
	}
	if err := m.digests.keep(); err != nil {
		return rep, err
	}
	done, todo, err := m.split()
	if err != nil {
		return rep, err
	}
	u.Say("%d of %d cells were done before; results are in %s", len(done), len(m.Cells), m.Work.Dir)
	reasons := map[*Cell]string{}
	if len(todo) > 0 {
		p := m.Work.progress(todo, u)
		err = e.Run(ctx, m.Work, p, func(c *Cell, failed error) error {
			if failed != nil {
				reasons[c] = failed.Error()
			}
			bad, err := m.ended(ctx, p, c, reasons[c])
			if err == nil && failFast && bad {
				err = errFailFast
			}
			return err
		})
	}
	if errors.Is(err, errFailFast) {
		u.Say("%v", err)
		err = nil
	}
	for _, c := range m.Cells {
		_, before := done[c]
		cell, judgeErr := m.judge(c, before, reasons[c])
		if judgeErr != nil {
			return rep, errors.Join(err, judgeErr)
		}
		rep.Cells = append(rep.Cells, cell)
	}
	return rep, err
}

// ended reports the outcome of a cell, and whether it is not as expected.
func (m *Matrix) ended(ctx context.Context, p *progress, c *Cell, reason string) (bad bool, err error) {
	cell, err := m.take(ctx, c, reason)
	if err != nil {
		return false, err
	}
	r, err := m.Work.Result(c.Key)
	if err != nil {
		return false, err
	}
	p.end(c, cell.Outcome, r)
	bad = cell.ExitCode != 0
	for _, other := range m.Cells { // other names for the same work may expect another outcome
		if other == c || other.Key != c.Key {
			continue
		}
		twin, err := m.judge(other, false, reason)
		if err != nil {
			return false, err
		}
		bad = bad || twin.ExitCode != 0
	}
	text := fmt.Sprintf("%s: %s (%d of %d", c.Name, cell.Outcome, p.ended, len(p.cells))
	if left := p.left(); left != "" {
		text += "; " + left
	}
	if bad {
		text += "; not as expected"
	}
	p.report.Say("%s)", text)
	return bad, nil
}

// split separates the cells with a result from those without.
func (m *Matrix) split() (done map[*Cell]*Result, todo []*Cell, err error) {
	done = map[*Cell]*Result{}
	seen := map[string]bool{}
	for _, c := range m.Cells {
		if err := m.Work.sweep(c); err != nil {
			return nil, nil, err
		}
		r, err := m.Work.Result(c.Key)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case r != nil:
			done[c] = r
		case !seen[c.Key]: // the same work under two names is done once
			todo = append(todo, c)
		}
		seen[c.Key] = true
	}
	return done, todo, nil
}

// judge reads and judges the result of a cell.
func (m *Matrix) judge(c *Cell, before bool, reason string) (report.Cell, error) {
	r, err := m.Work.Result(c.Key)
	if err != nil {
		return report.Cell{}, err
	}
	return m.Work.Judge(c, r, before, reason), nil
}

// take is judge for a new result. It records the verdict on a snapshot in its datastore, which only this
// machine writes to.
func (m *Matrix) take(ctx context.Context, c *Cell, reason string) (report.Cell, error) {
	cell, err := m.judge(c, false, reason)
	if err != nil || c.ref == nil || cell.Report == nil {
		return cell, err
	}
	for _, k := range cell.Report.Kernels {
		if err := trial.Keep(ctx, m.stores[m.File.beside(m.File.Sources[c.table].Store)], *c.ref, &k); err != nil {
			return cell, err
		}
	}
	return cell, nil
}
