// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
)

// Judge compares the result of a cell with what the file expects. r is nil if there is no result; reason
// then says why.
func (w *Work) Judge(c *Cell, r *Result, before bool, reason string) report.Cell {
	cell := report.Cell{
		Name: c.Name, Kernel: c.Kernel, Variant: c.Variant, Expect: c.Expect,
		Command: append([]string{"ovzpatch"}, c.Args...),
	}
	if r == nil {
		cell.Outcome, cell.ExitCode, cell.Missing = "no result", job.CodeFailed, true
		if reason != "" {
			cell.Notes = []string{reason}
		}
		return cell
	}
	cell.Seconds, cell.Host, cell.Cached, cell.Report = r.Seconds, r.Host, before, r.Report
	cell.Log = filepath.Join(w.Dir, r.Log)
	cell.ExitCode = r.ExitCode
	var verdicts []string
	for i := range r.Report.Kernels {
		k := &r.Report.Kernels[i]
		if c.Variant == Livepatch {
			k.Label = c.Name + ", " + k.Label // which names the state
		} else {
			k.Label = c.Name
		}
		if c.Expect != "" && c.Expect != Misfit {
			k.Expect = guest.Verdict(c.Expect)
		}
		if v := string(k.Verdict); !slices.Contains(verdicts, v) {
			verdicts = append(verdicts, v)
		}
	}
	cell.Outcome = outcome(r.ExitCode, c.Variant, verdicts)
	switch {
	case c.Expect == "":
	case cell.Outcome == c.Expect:
		cell.ExitCode = job.CodeDone
	case r.ExitCode == job.CodeDone || r.ExitCode == job.CodeNoVerdict:
		cell.ExitCode = job.CodeBehaved
	}
	cell.Notes = append(cell.Notes, w.twice(r)...)
	return cell
}

// outcome describes the result of a cell in a few words.
func outcome(code int, variant string, verdicts []string) string {
	switch {
	case code == job.CodeFailed:
		return "failed"
	case code == job.CodeRefused:
		return "refused"
	case code == job.CodeMisfit:
		return Misfit
	case code == job.CodeDone && variant == Livepatch:
		return string(guest.Protected) // by the module, while it is loaded
	case len(verdicts) > 0:
		return strings.Join(verdicts, ", ")
	case code == job.CodeDone && variant == Check:
		return "fits"
	}
	return fmt.Sprintf("exit code %d", code)
}

// twice describes tries of the cell that ended after the one with the result.
func (w *Work) twice(r *Result) (notes []string) {
	for _, other := range w.late(r) {
		note := fmt.Sprintf("it was done twice: try %s on %s came second, and ended as the first", other.Attempt, other.Host)
		if other.ExitCode != r.ExitCode {
			note = fmt.Sprintf("it was done twice: try %s on %s came second, with exit code %d and not %d", other.Attempt, other.Host, other.ExitCode, r.ExitCode)
		}
		notes = append(notes, note)
	}
	return notes
}
