// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ovzpatch/internal/terminal"
)

// Planned is a cell as matrix plan shows it.
type Planned struct {
	*Cell
	Done    bool     `json:"done"`
	Shares  []string `json:"shares_with"`       // cells that work in the same tree, or are the same work
	Seconds float64  `json:"seconds,omitempty"` // an estimate; 0 is unknown
	From    string   `json:"estimate_from,omitempty"`
}

// Plan returns what Run would do.
func (m *Matrix) Plan(ctx context.Context) ([]Planned, error) {
	if err := errors.Join(m.Digest(ctx), m.digests.keep()); err != nil {
		return nil, err
	}
	estimate := m.Work.newEstimate()
	var list []Planned
	for _, c := range m.Cells {
		r, err := m.Work.Result(c.Key)
		if err != nil {
			return nil, err
		}
		p := Planned{Cell: c, Done: r != nil && r.done(), Shares: []string{}}
		for _, other := range m.Cells {
			if other != c && (c.shares() != "" && other.shares() == c.shares() || other.Key == c.Key) {
				p.Shares = append(p.Shares, other.Name)
			}
		}
		p.Seconds, p.From = estimate.of(c)
		list = append(list, p)
	}
	return list, nil
}

// WritePlan writes the cells for people, and how long they take one after another.
func WritePlan(w io.Writer, list []Planned) error {
	t := terminal.NewTable(w)
	t.Row("CELL", "STATE", "MAY TAKE", "EXPECTED", "SHARES WORK WITH")
	var left float64
	todo, unknown := 0, 0
	for _, p := range list {
		state, takes := "to do", "unknown"
		if p.From != "" {
			takes = fmt.Sprintf("%v, by %s", time.Duration(p.Seconds*float64(time.Second)).Round(100*time.Millisecond), p.From)
		}
		switch {
		case p.Done:
			state, takes = "done", "-"
		case p.From == "":
			unknown++
			todo++
		default:
			left += p.Seconds
			todo++
		}
		t.Row(p.Name, state, takes, p.Expect, strings.Join(p.Shares, " "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	text := fmt.Sprintf("%d of %d cells to do", todo, len(list))
	if left > 0 {
		text += fmt.Sprintf("; one after the other %v", time.Duration(left*float64(time.Second)).Round(time.Second))
	}
	if unknown > 0 && todo > 0 {
		text += fmt.Sprintf("; nothing is known of %d", unknown)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", text)
	return err
}

// estimate knows how long cells took.
type estimate struct {
	byName    map[string]*Result
	byVariant map[string][]float64
}

func (w *Work) newEstimate() *estimate {
	e := &estimate{map[string]*Result{}, map[string][]float64{}}
	for _, r := range w.all() {
		e.add(r)
	}
	return e
}

func (e *estimate) add(r *Result) {
	if last := e.byName[r.Cell]; last == nil || last.Finished.Before(r.Finished) {
		e.byName[r.Cell] = r
	}
	variant := r.Cell[strings.LastIndex(r.Cell, "/")+1:]
	e.byVariant[variant] = append(e.byVariant[variant], r.Seconds)
}

// of estimates how long a cell takes, from earlier runs of it or of cells of its kind; 0 is unknown.
func (e *estimate) of(c *Cell) (seconds float64, from string) {
	if r := e.byName[c.Name]; r != nil {
		return r.Seconds, "this cell"
	}
	list := e.byVariant[c.Variant]
	if len(list) == 0 { // then those of the same command
		for variant, times := range e.byVariant {
			if commandOf(variant) == commandOf(c.Variant) {
				list = append(list, times...)
			}
		}
	}
	if len(list) == 0 {
		return 0, ""
	}
	for _, s := range list {
		seconds += s
	}
	if len(list) == 1 {
		return seconds, "one other"
	}
	return seconds / float64(len(list)), fmt.Sprintf("%d others", len(list))
}
