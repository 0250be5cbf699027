// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/report"
)

// counts is what a reader makes of a report.
type counts struct{ Tests, Failures, Errors, Skipped int }

// reports are what readers must count, one of each kind.
func reports(t *testing.T) map[string]struct {
	r    *report.Report
	want counts
} {
	t.Helper()
	type row = struct {
		r    *report.Report
		want counts
	}
	good := sample()
	good.Kernels = good.Kernels[:1]
	unexpected := sample()
	unexpected.Kernels = unexpected.Kernels[:1]
	unexpected.Kernels[0].Expect = guest.Vulnerable // two of its cases, and its verdict, are not
	console := filepath.Join(t.TempDir(), "console.log")
	if err := os.WriteFile(console, []byte("\x1b[2J\x1b[1;31mhello\x1b[0m\r\n]]></system-out><evil/>\r\nnot ok 1 - evil\r\n\xff\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := sample()
	broken.Kernels[0].Verdict, broken.Kernels[0].Broken = guest.Inconclusive, "hung after 90.0 s"
	broken.Kernels[0].Console = console
	broken.Kernels[0].Results = append(broken.Kernels[0].Results, guest.Result{Name: "last", Backend: "namespaces", Verdict: guest.Inconclusive, Why: "the guest did not finish: hung"})
	broken.Kernels = broken.Kernels[:1]
	broken.Failure = &report.Failure{Error: "boot vmlinuz: hung\nend of the console:\n\x1b[31m", ExitCode: 1}
	panicked := sample()
	panicked.Kernels = panicked.Kernels[1:]
	panicked.Kernels[0].Broken, panicked.Kernels[0].AtFault = "panic after 3.0 s: Kernel panic", true
	panicked.Failure = &report.Failure{Error: "boot vmlinuz: panic", ExitCode: 1, Kernel: true}
	evil := func(name string) guest.Result {
		return guest.Result{
			Name: name, Backend: "names\x1b[0mpaces\nok 1 - x", Verdict: guest.Faulty,
			Why: "]]>\x00\x1b\ufffe # SKIP \nok 5 - evil\nBail out!", Log: []string{"1..5", "Bail out!", "KTAP version 1", "</testcase>"},
		}
	}
	hostile := &report.Report{Kernels: []report.Kernel{{
		Label: "this <kernel>", Release: "6.1\" # TODO", Verdict: guest.Faulty,
		Results: []guest.Result{evil("force # SKIP"), evil("force # skip"), evil("<&>"), evil(strings.Repeat("n", 100)), evil(strings.Repeat("n", 101))},
		Notes:   []string{"\x1b]0;title\x07", "Bail out!\nok 9"},
	}}}
	return map[string]row{
		"good":       {good, counts{Tests: 6}},
		"wrong":      {sample(), counts{14, 2, 0, 3}},
		"unexpected": {unexpected, counts{6, 3, 0, 0}},
		"no build":   {&report.Report{Command: "build", Failure: &report.Failure{Error: "rpmbuild: exit status 1", ExitCode: 1}}, counts{Tests: 1, Errors: 1}},
		"hung":       {broken, counts{7, 0, 4, 0}},
		"panic":      {panicked, counts{7, 4, 0, 1}},
		"hostile":    {hostile, counts{10, 6, 0, 2}},
		"matrix":     {matrix(good, unexpected), counts{12, 5, 1, 0}},
	}
}

// matrix has a cell as it is to be, one that misbehaved, one whose patch does not fit, and one that was lost.
func matrix(good, wrong *report.Report) *report.Report {
	label := func(r *report.Report, name string) *report.Report {
		labelled := *r
		labelled.Kernels = slices.Clone(r.Kernels)
		labelled.Kernels[0].Label = name
		return &labelled
	}
	return &report.Report{Command: "matrix", Cells: []report.Cell{
		{Name: "a/with", Kernel: "a", Variant: "with", Outcome: "protected", Seconds: 61, Report: label(good, "a/with")},
		{Name: "a/without", Kernel: "a", Variant: "without", Outcome: "protected", ExitCode: 4, Report: label(wrong, "a/without")},
		{
			Name: "<b>\nok 1 # SKIP/with", Kernel: "<b>\nok 1 # SKIP", Variant: "with", Outcome: "misfit", ExitCode: 3, Log: "no\x1bwhere",
			Report: &report.Report{Failure: &report.Failure{Error: "choose port: no line fits\nBail out!", ExitCode: 3}},
		},
		{Name: "c/without", Kernel: "c", Variant: "without", Outcome: "no result", ExitCode: 1, Missing: true, Notes: []string{"the node died"}},
	}}
}

func write(t *testing.T, r *report.Report, format string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report."+format)
	files, err := report.ParseFiles([]string{format + "=" + path})
	if err != nil {
		t.Fatal(err)
	}
	if err := files[0].Write(r); err != nil {
		t.Fatal(err)
	}
	return path
}

// python runs a program of Debian's python3, where the readers are.
func python(t *testing.T, packages, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", append([]string{"-W", "ignore", "-c", program}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s\ninstall %s (`make deps` does)", err, stderr.String(), packages)
	}
	// tappy warns on standard output.
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// What is counted from the elements and what the attributes say must be the same.
const readJUnit = `
import collections, json, sys
from junitparser import Error, Failure, JUnitXml, Skipped
xml, names = JUnitXml.fromfile(sys.argv[1]), set()
seen, said = collections.Counter(), collections.Counter()
for suite in xml:
	said.update(tests=suite.tests, failures=suite.failures, errors=suite.errors, skipped=suite.skipped)
	for case in suite:
		seen["tests"] += 1
		names.add((case.classname, case.name))
		float(case.time)
		for r in case.result if isinstance(case.result, list) else [case.result] if case.result else []:
			seen[{Failure: "failures", Error: "errors", Skipped: "skipped"}[type(r)]] += 1
assert len(names) == seen["tests"], names
assert xml.tests == seen["tests"] and xml.failures == seen["failures"] and xml.errors == seen["errors"], xml
for kind in seen: assert seen[kind] == said[kind], (seen, said)
print(json.dumps(seen))
`

func TestJUnitIsReadAsMeant(t *testing.T) {
	for name, tt := range reports(t) {
		path := write(t, tt.r, "junit")
		var got counts
		if err := json.Unmarshal([]byte(python(t, "python3-junitparser", readJUnit, path)), &got); err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("%s: junitparser reads %+v, want %+v", name, got, tt.want)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(text), "<testsuites") != 1 || regexp.MustCompile(`<testsuite [^>]*>\s*<testsuite `).Match(text) {
			t.Errorf("%s: suites are nested:\n%s", name, text)
		}
		if name == "hung" && !strings.Contains(string(text), "^[[1;31mhello^[[0m") {
			t.Errorf("the console is not there:\n%s", text)
		}
	}
}

const readTAP = `
import json, sys
from tap.parser import Parser
lines = list(Parser().parse_file(sys.argv[1]))
tests = [l for l in lines if l.category == "test"]
plan = [l.expected_tests for l in lines if l.category == "plan"]
assert plan == [len(tests)], plan
assert {l.category for l in lines} <= {"version", "plan", "test", "diagnostic"}, lines
print(json.dumps({"tests": len(tests), "failures": sum(not t.ok for t in tests), "skipped": sum(t.skip for t in tests)}))
`

// In TAP an error is a failure.
func (c counts) tap() counts { return counts{c.Tests, c.Failures + c.Errors, 0, c.Skipped} }

func TestTAPIsReadAsMeant(t *testing.T) {
	for name, tt := range reports(t) {
		path, want := write(t, tt.r, "tap"), tt.want.tap()
		var got counts
		if err := json.Unmarshal([]byte(python(t, "python3-tap", readTAP, path)), &got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: tappy reads %+v, want %+v", name, got, want)
		}
		out, err := exec.CommandContext(t.Context(), "prove", "-v", path).CombinedOutput()
		if (err == nil) != (want.Failures == 0) || !strings.Contains(string(out), fmt.Sprintf("Tests=%d,", want.Tests)) || strings.Contains(string(out), "Parse errors") {
			t.Errorf("%s: prove, of Debian's perl: %v\n%s", name, err, out)
		}
		if want.Failures > 0 && !strings.Contains(string(out), fmt.Sprintf("Failed: %d)", want.Failures)) {
			t.Errorf("%s: prove counts other than %d failures:\n%s", name, want.Failures, out)
		}
	}
}

// The kernel's own reader comes with the kernel's source.
func TestKTAPIsReadAsMeant(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks the kernel's tools")
	}
	sources, err := filepath.Glob("/usr/src/linux-source-*.tar.xz")
	if err != nil || len(sources) == 0 {
		t.Fatalf("%v: there is no kernel source: install linux-source (`make deps` does)", err)
	}
	tools := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-xJf", sources[len(sources)-1], "-C", tools, "--strip-components=1", "--wildcards", "*/tools/testing/kunit/*.py").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, tt := range reports(t) {
		path, want := write(t, tt.r, "ktap"), tt.want.tap()
		// It ends with 1 where a test failed.
		cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "tools/testing/kunit/kunit.py", "parse", path)
		cmd.Dir = tools
		out, err := cmd.CombinedOutput()
		if (err == nil) != (want.Failures == 0) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		line := regexp.MustCompile(`Testing complete\. .*`).FindString(string(out))
		var got counts
		for word, n := range map[string]*int{`Ran`: &got.Tests, `failed:`: &got.Failures, `crashed:`: &got.Failures, `errors:`: &got.Errors, `skipped:`: &got.Skipped} {
			if m := regexp.MustCompile(word + ` (\d+)`).FindStringSubmatch(line); m != nil {
				fmt.Sscan(m[1], n)
			}
		}
		if got != want || strings.Contains(string(out), "[ERROR]") {
			t.Errorf("%s: kunit.py reads %+v, want %+v\n%s", name, got, want, out)
		}
	}
}

// A guest may send as much as the events hold; no text and no file may be more than readers take.
func TestReportsHaveABound(t *testing.T) {
	long := strings.Repeat("<\x1b", 150)
	k := report.Kernel{Label: "this kernel", Release: long, Verdict: guest.Faulty, Notes: []string{long}, Broken: long}
	for i := range guest.MaxEvents {
		k.Results = append(k.Results, guest.Result{Name: fmt.Sprint(i, long[:200]), Backend: "b" + long, Verdict: guest.Faulty, Why: long, Log: []string{long, long}})
	}
	r := &report.Report{Kernels: []report.Kernel{k}, Failure: &report.Failure{Error: long, Log: long}}
	for _, format := range []string{"junit", "tap", "ktap", "html"} {
		st, err := os.Stat(write(t, r, format))
		if err != nil {
			t.Fatal(err)
		}
		if st.Size() >= 10_000_000 {
			t.Errorf("%s has %d bytes", format, st.Size())
		}
	}
	out := write(t, r, "junit")
	if text, err := os.ReadFile(out); err != nil || !strings.Contains(string(text), "more tests have no room") {
		t.Errorf("%v: what is left out is not told", err)
	}
	python(t, "python3-junitparser", readJUnit, out)
}

// GitLab wants a description, a fingerprint, a severity and a place of each problem.
func TestCodeQuality(t *testing.T) {
	for name, tt := range reports(t) {
		text, err := os.ReadFile(write(t, tt.r, "codequality"))
		if err != nil {
			t.Fatal(err)
		}
		var list []struct {
			Description, Fingerprint, Severity string
			Location                           struct {
				Path  string
				Lines struct{ Begin int }
			}
		}
		if err := json.Unmarshal(text, &list); err != nil || !strings.HasPrefix(string(text), "[") || len(list) != tt.want.Failures+tt.want.Errors {
			t.Fatalf("%s: %v, %d problems, want %d and %d", name, err, len(list), tt.want.Failures, tt.want.Errors)
		}
		prints := map[string]bool{}
		for _, p := range list {
			prints[p.Fingerprint] = true
			if p.Description == "" || strings.ContainsAny(p.Description, "\x1b\n") || p.Location.Path == "" || p.Location.Lines.Begin != 1 || p.Severity != "critical" && p.Severity != "major" {
				t.Errorf("%s: %+v", name, p)
			}
		}
		if len(prints) != len(list) {
			t.Errorf("%s: fingerprints are not unique: %v", name, prints)
		}
	}
}

func TestParseFiles(t *testing.T) {
	for value, says := range map[string]string{
		"junit":           "FORMAT=FILE",
		"junit=":          "FORMAT=FILE",
		"=a":              "FORMAT is one of junit, ktap, tap, html, json, codequality",
		"xml=a":           "FORMAT is one of junit, ktap, tap",
		"junit=a,tap=./a": "another report goes to the same file",
	} {
		if _, err := report.ParseFiles(strings.Split(value, ",")); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", value, err, says)
		}
	}
	files, err := report.ParseFiles([]string{"junit=a", "json=b=c"})
	if err != nil || len(files) != 2 || files[1].Path != "b=c" {
		t.Errorf("%+v, %v", files, err)
	}
}

// A report that cannot be written whole leaves the one that was there.
func TestWriteIsWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "report.xml")
	files, err := report.ParseFiles([]string{"junit=" + path})
	if err != nil {
		t.Fatal(err)
	}
	if err := files[0].Write(sample()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if err := sample().JUnit(failing{}); err == nil {
		t.Error("an error of the writer is lost")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
