// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
)

// matrixPage is what the template of a matrix shows. Its texts are visible and bounded.
type matrixPage struct {
	Mark, Head, Count, Failure string
	Variants                   []string
	Rows                       []matrixRow
	Cells                      []matrixCell
}

type matrixRow struct {
	Kernel string
	Cells  []matrixCell
}

type matrixCell struct {
	ID, Name, Mark, Short, Why string
	Facts                      [][2]string
	Kernels                    []pageKernel
	Cases                      []pageCase // of a cell that is not as it is to be
	Left                       int
}

func (r *Report) matrixPage() matrixPage {
	b := budget{maxTexts, maxTests}
	text := func(s string, limit int) string { return b.take(bounded(s, limit)) }
	p := matrixPage{Mark: "good", Head: "Every cell is as expected", Count: r.Count()}
	switch r.Worst() {
	case 0:
	case 3, 4:
		p.Mark, p.Head = "bad", "A cell is not as expected"
	default:
		p.Mark, p.Head = "unknown", "A cell failed or has no result"
	}
	if r.Failure != nil {
		p.Mark, p.Head, p.Failure = "unknown", "Ended before all cells were done", text(r.Failure.Error, maxText)
	}
	kernels, variants, cells := r.Matrix()
	for _, v := range variants {
		p.Variants = append(p.Variants, oneLine(v, maxName))
	}
	ids := map[*Cell]string{}
	for i := range r.Cells {
		ids[&r.Cells[i]] = fmt.Sprintf("cell-%d", i+1)
	}
	for i, k := range kernels {
		row := matrixRow{Kernel: oneLine(k, maxMessage)}
		for _, c := range cells[i] {
			one := matrixCell{}
			if c != nil {
				one = matrixCell{ID: ids[c], Mark: c.mark(), Short: oneLine(c.short(), maxName)}
			}
			row.Cells = append(row.Cells, one)
		}
		p.Rows = append(p.Rows, row)
	}
	left := maxCases
	for i := range r.Cells {
		p.Cells = append(p.Cells, r.Cells[i].page(ids[&r.Cells[i]], text, &left))
	}
	return p
}

// page is the evidence of one cell. The cases are shown where something is wrong, as many as there
// is room for.
func (c *Cell) page(id string, text func(string, int) string, room *int) matrixCell {
	p := matrixCell{ID: id, Name: oneLine(c.Name, maxMessage), Mark: c.mark(), Short: oneLine(c.short(), maxName), Why: text(c.why(), maxText)}
	fact := func(name, value string) {
		if value != "" {
			p.Facts = append(p.Facts, [2]string{name, text(value, maxMessage)})
		}
	}
	fact("Command", strings.Join(c.Command, " "))
	fact("On", c.Host)
	fact("Log", c.Log)
	if c.ExitCode == 0 {
		fact("Note", strings.Join(c.Notes, "; "))
	}
	if c.Report == nil {
		return p
	}
	fact("Line", c.Report.Line)
	fact("Patch", c.Report.Patch)
	fact("Derived", c.Report.Derived)
	last := ""
	for _, k := range c.Report.Kernels {
		// The console is a file beside the log. The states of a livepatch share one.
		console := k.Console
		k.Console = ""
		p.Kernels = append(p.Kernels, k.page(oneLine(k.Label, maxMessage), text))
		if console != last {
			fact("Console", console)
		}
		last = console
	}
	if c.ExitCode == 0 {
		return p
	}
	all := c.Report.page()
	for _, one := range all.Cases {
		if one.Mark != "bad" && one.Mark != "unknown" {
			continue
		}
		if *room == 0 {
			p.Left++
			continue
		}
		*room--
		for i := range one.Cells {
			cell := &one.Cells[i]
			cell.Why = text(cell.Why, maxMessage)
			for j := range cell.Log {
				cell.Log[j] = text(cell.Log[j], maxMessage)
			}
		}
		p.Cases = append(p.Cases, one)
	}
	return p
}
