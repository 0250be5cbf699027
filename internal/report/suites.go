// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/guest"
)

// status is what became of a test, as CI systems count it.
type status int

const (
	passed  status = iota
	failed         // the kernel misbehaved
	errored        // something around the kernel broke, or there is no evidence
	skipped        // it was not tried
)

// test is one line of a report for CI: a case, or what belongs to a whole guest or run.
type test struct {
	name, class string // unique together: readers drop or merge tests of the same name
	status      status
	message     string // why it is not passed, on one line
	text        string // the evidence
	seconds     float64
}

// suite is the tests of one kernel and backend. Suites are not nested: some readers lose the
// failures of nested ones.
type suite struct {
	name  string
	tests []test
}

// Limits on the texts of a report: some readers refuse a text of 10,000,000 bytes, and a guest may
// send whatever it likes.
const (
	maxTests   = 10_000
	maxName    = 80       // bytes
	maxMessage = 1 << 10  // bytes
	maxText    = 16 << 10 // bytes, of one case
	maxConsole = 64 << 10 // bytes, of the end of one console
	maxTexts   = 4 << 20  // bytes, of all texts of a report
)

// runSuite is the name of the suite for what belongs to no kernel.
const runSuite = "ovzpatch"

// suites returns the tests of the report: those of the run, then kernel by kernel those of its guest
// and of each backend.
func (r *Report) suites() []suite {
	list := []suite{{runSuite, []test{r.run()}}}
	ids := r.cases()
	for i := range r.Kernels {
		list = append(list, r.kernelSuites(i, ids)...)
	}
	if len(r.Cells) > 0 {
		list = append(list, r.cellSuites()...)
	}
	b, names := budget{maxTexts, maxTests}, map[string]bool{}
	for i := range list {
		list[i].name = oneLine(list[i].name, maxName)
		list[i].tests = b.fit(list[i].tests, names)
	}
	return slices.DeleteFunc(list, func(s suite) bool { return len(s.tests) == 0 })
}

// run is the test of the run as a whole: it has failed where there is no result for everything.
func (r *Report) run() test {
	t := test{name: cmp.Or(r.Command, "run"), class: runSuite}
	for _, k := range r.Kernels {
		t.seconds += k.Seconds
	}
	for _, c := range r.Cells {
		t.seconds += c.Seconds
	}
	if f := r.Failure; f != nil {
		t.status, t.message, t.text = errored, firstLine(f.Error), f.Error
		if f.Kernel {
			t.status = failed
		}
		if f.Log != "" {
			t.text += "\nsee " + f.Log
		}
	}
	return t
}

// kernelName is what a kernel is called in names: its label, which stays the same from release to
// release, so that CI systems can compare runs.
func (r *Report) kernelName(i int) string {
	k := r.Kernels[i]
	for j, other := range r.Kernels {
		if i != j && other.Label == k.Label {
			return k.Label + " " + cmp.Or(k.Package, k.Release)
		}
	}
	return k.Label
}

func (r *Report) kernelSuites(i int, ids []caseID) []suite {
	k, name := r.Kernels[i], r.kernelName(i)
	class := func(backend string) string { return name + "." + backend }
	title := func(backend string) string { return k.Release + " " + name + ", " + backend }
	list := []suite{{title("guest"), k.guestTests(class("guest"))}}
	results := k.byCase()
	for _, id := range ids {
		if n := len(list) - 1; list[n].name != title(id.backend) {
			list = append(list, suite{name: title(id.backend)})
		}
		t := k.test(id, results[id])
		t.class = class(id.backend)
		s := &list[len(list)-1]
		s.tests = append(s.tests, t)
	}
	return list
}

// guestTests are the tests of a whole guest: did it come to its end, and is the verdict what it must be.
func (k Kernel) guestTests(class string) []test {
	boot := test{name: "boot", class: class, seconds: k.Seconds, text: k.consoleEnd()}
	if k.Broken != "" {
		boot.status, boot.message = errored, k.Broken
		if k.AtFault {
			boot.status = failed
		}
	}
	verdict := test{name: "verdict", class: class, text: "In the host's log: " + k.Proof()}
	verdict.message = fmt.Sprintf("the verdict is %s", k.Verdict)
	if k.Expect != "" {
		verdict.message += fmt.Sprintf(", and must be %s", k.Expect)
	}
	switch {
	case k.Verdict == guest.Inconclusive:
		verdict.status = errored
	case k.Expect != "" && k.Expect != k.Verdict, k.Expect == "" && k.Verdict == guest.Faulty:
		verdict.status = failed
	}
	tests := []test{boot, verdict}
	for i, note := range k.Notes {
		tests = append(tests, test{name: fmt.Sprintf("note %d", i+1), class: class, status: skipped, message: note})
	}
	return tests
}

// test is one case on this kernel; res is nil where it was not tried.
func (k Kernel) test(id caseID, res *guest.Result) test {
	if res == nil {
		reason := "not tried on this kernel, which does not offer it; the notes of the guest may say more"
		if k.Broken != "" {
			reason = "the guest ended before it reached this case: " + k.Broken
		}
		return test{name: id.name, status: skipped, message: reason}
	}
	t := test{name: id.name, seconds: float64(res.Millis) / 1000, text: evidence(*res), message: res.Why}
	switch {
	case res.Verdict == guest.Inconclusive:
		t.status = errored
	case res.Verdict == guest.Faulty:
		t.status = failed
	case res.Verdict != guest.Either && k.Expect != "" && res.Verdict != k.Expect:
		t.status = failed
		t.message = fmt.Sprintf("behaved as a kernel that is %s, and must be %s", res.Verdict, k.Expect)
	}
	return t
}

// evidence is what a case showed, and the log lines that prove it.
func evidence(r guest.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Verdict, Seen(r.Got))
	if r.Finding != "" {
		fmt.Fprintf(&b, "NOT COVERED by the patch: %s\n", r.Finding)
	}
	for _, line := range r.Log {
		fmt.Fprintf(&b, "kernel log: %s\n", line)
	}
	return b.String()
}
