// SPDX-License-Identifier: Apache-2.0

// Package report turns the guests' results into what people and programs read: a table with the
// evidence, JSON, JUnit, TAP, KTAP and a page for a browser.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/terminal"
)

// Report is the result for one or more kernels on trial.
type Report struct {
	Command string `json:"command,omitempty"` // of ovzpatch: "run", "test", "build"
	Source  string `json:"source,omitempty"`  // what the kernels were built from
	Line    string `json:"line,omitempty"`
	Patch   string `json:"patch,omitempty"`   // file name of the patch
	Derived string `json:"derived,omitempty"` // how it came about, where it is no port of ours
	Accel   string `json:"accelerator"`
	// Snapshot is what the kernel with the patch was kept as in a datastore.
	Snapshot string   `json:"snapshot,omitempty"`
	Kernels  []Kernel `json:"kernels"`
	// Cells are what a matrix is made of; each has a report of its own.
	Cells []Cell `json:"cells,omitempty"`
	// Failure is why the work ended before there was a result for everything; nil if it did not.
	Failure *Failure `json:"failure,omitempty"`
}

// Failure is what a program gets where there is no result, or not all of it.
type Failure struct {
	Error    string `json:"error"` // as people read it
	ExitCode int    `json:"exit_code"`
	// Outcome is what became of a boot, "" for other failures; Line decided it.
	Outcome string `json:"outcome,omitempty"`
	Line    string `json:"line,omitempty"`
	// Log is a file with more: a build's output, or a guest's console.
	Log string `json:"log,omitempty"`
	// Kernel tells that the kernel under test is at fault, not what was around it.
	Kernel bool `json:"kernel_at_fault,omitempty"`
}

// Kernel is one kernel that was booted.
type Kernel struct {
	Label   string         `json:"label"`   // the head of its column: "with the patch"
	Release string         `json:"release"` // as the guest's uname -r said
	Package string         `json:"package,omitempty"`
	SHA256  string         `json:"sha256,omitempty"` // of the package
	Expect  guest.Verdict  `json:"expect,omitempty"` // "" if nothing was expected
	Verdict guest.Verdict  `json:"verdict"`
	Results []guest.Result `json:"results"`
	Notes   []string       `json:"notes,omitempty"`   // of the guest, for people: what was not run, and why
	Console string         `json:"console,omitempty"` // file with the whole console
	// ConsoleSHA256 is that of what the guest wrote there: in a directory of the caller's the next
	// boot of the kernel takes the file's place.
	ConsoleSHA256 string  `json:"console_sha256,omitempty"`
	Seconds       float64 `json:"seconds"` // from the start of QEMU to its end
	// Ready is when the guest's first event came, and Ended when each result came, in the order
	// of Results: in seconds from the start of QEMU, by the host's clock.
	Ready float64   `json:"ready_seconds,omitempty"`
	Ended []float64 `json:"ended_seconds,omitempty"`
	// Broken is why the guest did not finish, "" if it did; the results before that are there.
	Broken string `json:"broken,omitempty"`
	// AtFault tells of a guest that did not come to its end that its kernel was the reason.
	AtFault bool `json:"at_fault,omitempty"`
}

// Seen says in words how the kernels that were booted behaved, "" if none was.
func (r *Report) Seen() string {
	var all []string
	for _, k := range r.Kernels {
		all = append(all, fmt.Sprintf("%s %s was %s by %d cases", k.Release, k.Label, k.Verdict, len(k.Results)))
	}
	return strings.Join(all, ", ")
}

// Conclusive reports whether there is a verdict on every kernel.
func (r *Report) Conclusive() bool {
	return !slices.ContainsFunc(r.Kernels, func(k Kernel) bool { return k.Verdict == guest.Inconclusive })
}

// Behaved reports whether every kernel with a verdict behaved as expected.
func (r *Report) Behaved() bool {
	return !slices.ContainsFunc(r.Kernels, func(k Kernel) bool {
		return k.Verdict != guest.Inconclusive && (k.Verdict == guest.Faulty && k.Expect == "" || k.Expect != "" && k.Verdict != k.Expect)
	})
}

// Headline says what the report is about.
func (r *Report) Headline() string {
	if r.isMatrix() {
		return "What became of the cells"
	}
	return "What ovzpatch tried, and the verdict"
}

// Unexpected is an error where a kernel or a cell is not as expected, or nobody can tell, of the kind
// that the worst of them is; nil otherwise.
func (r *Report) Unexpected() error {
	switch {
	case r.isMatrix() && r.Worst() != job.CodeDone:
		return job.OfCode(r.Worst(), errors.New("not every cell is as expected: "+r.Count()))
	case r.isMatrix():
		return nil
	case !r.Behaved():
		return job.Misbehaved(errors.New("a kernel did not behave as expected: see the report"))
	case !r.Conclusive():
		return job.NoVerdict(errors.New("there is no verdict: some cases could not be run, or none of those that ran tells a kernel with the patch from one without; see the report"))
	}
	return nil
}

// JSON writes the whole report.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Text writes the table of cases, the log lines that prove them, and the verdicts, which are in
// colours if a terminal wants that.
func (r *Report) Text(w io.Writer, colours bool) error {
	var b strings.Builder
	if r.isMatrix() {
		return r.matrixText(w, colours)
	}
	table(&b, r.Table())
	b.WriteString("\n")
	for _, k := range r.Kernels {
		k.odd(&b)
		k.findings(&b)
	}
	b.WriteString("In the host's log:\n")
	for _, k := range r.Kernels {
		fmt.Fprintf(&b, "  %s: %s\n", k.Label, k.Proof())
	}
	b.WriteString("\n")
	if r.Derived != "" {
		fmt.Fprintf(&b, "The patch was derived %s.\n\n", r.Derived)
	}
	// A guest's text must not control a terminal.
	if _, err := io.WriteString(w, terminal.Text(b.String())); err != nil {
		return err
	}
	return r.verdicts(w, colours)
}

// painter returns a function that colours a cell of a table, if a terminal wants that.
func painter(colours bool) func(string, terminal.Colour) any {
	return func(text string, c terminal.Colour) any {
		if !colours {
			return text
		}
		return terminal.Painted{Text: text, Colour: c}
	}
}

func (r *Report) verdicts(w io.Writer, colours bool) error {
	paint := painter(colours)
	t := terminal.NewTable(w)
	t.Row("KERNEL", "", "CASES", paint("VERDICT", terminal.Plain), "EXPECTED")
	for _, k := range r.Kernels {
		expect := string(k.Expect)
		if k.Expect != "" && k.Expect != k.Verdict {
			expect += "  <-- NOT AS EXPECTED"
		}
		t.Row(k.Release, k.Label, len(k.Results), paint(string(k.Verdict), k.colour()), expect)
	}
	return t.Flush()
}

// colour is what the verdict means to whoever asked for it: a kernel without the patch must be vulnerable.
func (k Kernel) colour() terminal.Colour {
	switch {
	case k.Verdict == guest.Inconclusive:
		return terminal.Yellow
	case k.Expect != "" && k.Verdict == k.Expect, k.Expect == "" && k.Verdict == guest.Protected:
		return terminal.Green
	}
	return terminal.Red
}

// odd explains what was not run, and the cases that behaved as neither kernel should.
func (k Kernel) odd(b *strings.Builder) {
	for _, text := range k.Notes {
		fmt.Fprintf(b, "%s: %s\n", k.Label, text)
	}
	for _, r := range k.Results {
		if r.Verdict == guest.Faulty || r.Verdict == guest.Inconclusive {
			fmt.Fprintf(b, "%s, %s (%s): %s: %s\n", k.Label, r.Name, r.Backend, r.Verdict, r.Why)
		}
	}
}

// findings reports harm that a container did and that no port prevents.
func (k Kernel) findings(b *strings.Builder) {
	in := map[string][]string{}
	var names []string
	for _, r := range k.Results {
		if r.Finding == "" {
			continue
		}
		if in[r.Finding] == nil {
			names = append(names, r.Finding)
		}
		in[r.Finding] = append(in[r.Finding], r.Name+" ("+r.Backend+")")
	}
	for _, name := range names {
		fmt.Fprintf(b, "%s, NOT COVERED by the patch: %s, by %s\n", k.Label, name, strings.Join(in[name], ", "))
	}
}

// Proof returns the log line that supports the verdict: the first one of a case that only this
// kind of kernel passes.
func (k Kernel) Proof() string {
	for _, r := range k.Results {
		if r.Verdict == k.Verdict && len(r.Log) > 0 {
			return r.Log[0]
		}
	}
	return "(no line shows it)"
}
