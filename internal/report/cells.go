// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/terminal"
)

// Cell is one cell of a matrix: what was tried of one kernel.
type Cell struct {
	Name    string `json:"name"`
	Kernel  string `json:"kernel"`  // its row
	Variant string `json:"variant"` // its column
	Expect  string `json:"expect,omitempty"`
	Outcome string `json:"outcome"` // in a few words
	// ExitCode is 0 where the cell is as it is to be, else as those of ovzpatch.
	ExitCode int      `json:"exit_code"`
	Missing  bool     `json:"missing,omitempty"` // there is no result
	Seconds  float64  `json:"seconds"`
	Cached   bool     `json:"cached,omitempty"` // it was done before
	Host     string   `json:"host,omitempty"`
	Log      string   `json:"log,omitempty"`
	Command  []string `json:"command"`
	Notes    []string `json:"notes,omitempty"`
	Report   *Report  `json:"report,omitempty"` // its evidence
}

// isMatrix tells a matrix, also one that has no cell.
func (r *Report) isMatrix() bool { return len(r.Cells) > 0 || r.Command == "matrix" }

// worst are the exit codes from the worst on: a kernel that misbehaved is what people look for, and
// what failed or is missing may hide another one.
var worst = []int{job.CodeBehaved, job.CodeFailed, job.CodeMisfit, job.CodeRefused, job.CodeNoVerdict}

// Worst is the exit code of a matrix: the worst of its cells'.
func (r *Report) Worst() int {
	for _, code := range worst {
		if slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.ExitCode == code }) {
			return code
		}
	}
	return 0
}

// why is the reason why a cell is not as it is to be, "" where it is.
func (c Cell) why() string {
	if c.ExitCode == 0 {
		return ""
	}
	text := c.Outcome
	if c.Expect != "" {
		text += ", and must be " + c.Expect
	}
	if c.Report != nil && c.Report.Failure != nil {
		text += ": " + c.Report.Failure.Error
	}
	return strings.Join(append([]string{text}, c.Notes...), "\n")
}

// mark is the class of the page's style.
func (c Cell) mark() string {
	switch c.ExitCode {
	case 0:
		return "good"
	case 3, 4:
		return "bad"
	}
	return "unknown"
}

// short is what the table says of a cell.
func (c *Cell) short() string {
	if c == nil {
		return "-"
	}
	s := c.Outcome
	if c.ExitCode != 0 {
		s = strings.ToUpper(s)
	}
	if c.Missing {
		return s
	}
	if s += ", " + took(c.Seconds); c.Cached {
		s += ", before"
	}
	return s
}

// took is a duration for people.
func took(s float64) string {
	switch {
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	case s < 120:
		return fmt.Sprintf("%.0f s", s)
	}
	return fmt.Sprintf("%.0f min", s/60)
}

// Matrix returns the cells as a table of kernels and what was tried of them, both in the order in
// which they come. Where a kernel has no such cell it is nil.
func (r *Report) Matrix() (kernels, variants []string, cells [][]*Cell) {
	row, column := map[string]int{}, map[string]int{}
	for _, c := range r.Cells {
		if _, ok := row[c.Kernel]; !ok {
			row[c.Kernel] = len(kernels)
			kernels = append(kernels, c.Kernel)
		}
		if _, ok := column[c.Variant]; !ok {
			column[c.Variant] = len(variants)
			variants = append(variants, c.Variant)
		}
	}
	cells = make([][]*Cell, len(kernels))
	for i := range cells {
		cells[i] = make([]*Cell, len(variants))
	}
	for i, c := range r.Cells {
		cells[row[c.Kernel]][column[c.Variant]] = &r.Cells[i]
	}
	return kernels, variants, cells
}

// markColours are those of the marks.
var markColours = map[string]terminal.Colour{"good": terminal.Green, "bad": terminal.Red, "unknown": terminal.Yellow}

// matrixText writes the table, what is not as it is to be, and the count.
func (r *Report) matrixText(w io.Writer, colours bool) error {
	kernels, variants, cells := r.Matrix()
	t, paint := terminal.NewTable(w), painter(colours)
	row := []any{"KERNEL"}
	for _, v := range variants {
		row = append(row, paint(strings.ToUpper(v), terminal.Plain))
	}
	t.Row(row...)
	for i, k := range kernels {
		row := []any{k}
		for _, c := range cells[i] {
			colour := terminal.Plain
			if c != nil {
				colour = markColours[c.mark()]
			}
			row = append(row, paint(c.short(), colour))
		}
		t.Row(row...)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("\n")
	for _, c := range r.Cells {
		if why := c.why(); why != "" {
			fmt.Fprintf(&b, "%s: %s\n", terminal.Line(c.Name), strings.ReplaceAll(strings.TrimSpace(why), "\n", "\n  "))
			if c.Log != "" {
				fmt.Fprintf(&b, "  see %s\n", c.Log)
			}
		} else {
			for _, n := range c.Notes {
				fmt.Fprintf(&b, "%s: %s\n", terminal.Line(c.Name), n)
			}
		}
	}
	fmt.Fprintf(&b, "%s\n", r.Count())
	_, err := io.WriteString(w, terminal.Text(b.String()))
	return err
}

// Count says how many cells are as they are to be.
func (r *Report) Count() string {
	count := func(is func(Cell) bool) (n int) {
		for _, c := range r.Cells {
			if is(c) {
				n++
			}
		}
		return n
	}
	s := fmt.Sprintf("%d of %d cells as expected", count(func(c Cell) bool { return c.ExitCode == 0 }), len(r.Cells))
	if n := count(func(c Cell) bool { return c.Missing }); n > 0 {
		s += fmt.Sprintf(", %d without a result", n)
	}
	if n := count(func(c Cell) bool { return c.Cached }); n > 0 {
		s += fmt.Sprintf(", %d done before", n)
	}
	return s
}

// cellSuites are the tests of a matrix: one for each cell, the guests of all, and the cases of
// those that are not as they are to be. All cases of all kernels would be more than CI systems read;
// the JSON report has them.
func (r *Report) cellSuites() []suite {
	const name = "matrix"
	all := suite{name: name}
	var kernels []suite
	for _, c := range r.Cells {
		t := test{name: c.Name, class: name, seconds: c.Seconds, message: firstLine(c.why()), text: c.why()}
		if c.Log != "" {
			t.text += "\nsee " + c.Log
		}
		switch c.mark() {
		case "bad":
			t.status = failed
		case "unknown":
			t.status = errored
		}
		all.tests = append(all.tests, t)
		if c.Report == nil {
			continue
		}
		ids := c.Report.cases()
		for i := range c.Report.Kernels {
			list := c.Report.kernelSuites(i, ids)
			if c.ExitCode == 0 {
				list = list[:1]
			}
			kernels = append(kernels, list...)
		}
	}
	return append([]suite{all}, kernels...)
}
