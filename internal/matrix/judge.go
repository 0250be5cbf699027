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

// Judge compares what became of a cell with what is to become of it. A nil result is none, for
// the reason that is given.
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
			k.Label = c.Name + ", " + k.Label // which state it is
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
	switch {
	case r.ExitCode == job.CodeFailed:
		cell.Outcome = "failed"
	case r.ExitCode == job.CodeRefused:
		cell.Outcome = "refused"
	case r.ExitCode == job.CodeMisfit:
		cell.Outcome = Misfit
	case r.ExitCode == job.CodeDone && c.Variant == Livepatch:
		cell.Outcome = string(guest.Protected) // by the module, while it is loaded
	case len(verdicts) > 0:
		cell.Outcome = strings.Join(verdicts, ", ")
	case r.ExitCode == job.CodeDone && c.Variant == Check:
		cell.Outcome = "fits"
	default:
		cell.Outcome = fmt.Sprintf("exit code %d", r.ExitCode)
	}
	switch {
	case c.Expect == "":
	case cell.Outcome == c.Expect:
		cell.ExitCode = job.CodeDone
	case r.ExitCode == job.CodeDone || r.ExitCode == job.CodeNoVerdict:
		cell.ExitCode = job.CodeBehaved
	}
	for _, other := range w.late(r) {
		note := fmt.Sprintf("it was done twice: try %s on %s came second, and ended as the first", other.Attempt, other.Host)
		if other.ExitCode != r.ExitCode {
			note = fmt.Sprintf("it was done twice: try %s on %s came second, with exit code %d and not %d", other.Attempt, other.Host, other.ExitCode, r.ExitCode)
		}
		cell.Notes = append(cell.Notes, note)
	}
	return cell
}
