// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
)

func aMatrix() *report.Report {
	good, wrong := sample(), sample()
	good.Kernels, wrong.Kernels = good.Kernels[:1], wrong.Kernels[1:]
	return matrix(good, wrong)
}

// The table has a kernel a line, and marks what is not as it is to be without colours.
func TestMatrixText(t *testing.T) {
	var b strings.Builder
	if err := aMatrix().Text(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"KERNEL           WITH             WITHOUT\n",
		"a                protected, 61 s  PROTECTED, 0.0 s\n",
		"<b> ok 1 # SKIP  MISFIT, 0.0 s    -\n",
		"c                -                NO RESULT\n",
		"c/without: no result\n  the node died\n",
		"choose port: no line fits\n  Bail out!\n",
		"1 of 4 cells as expected, 1 without a result\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("it commands the terminal")
	}
}

// The worst cell counts, whatever the order.
func TestWorst(t *testing.T) {
	for _, tt := range []struct {
		codes []int
		worst int
	}{{nil, 0}, {[]int{0, 0}, 0}, {[]int{5, 2, 0}, 2}, {[]int{2, 3}, 3}, {[]int{3, 1, 2}, 1}, {[]int{1, 4, 3}, 4}, {[]int{5}, 5}} {
		for range 2 {
			r := &report.Report{}
			for _, code := range tt.codes {
				r.Cells = append(r.Cells, report.Cell{ExitCode: code})
			}
			if r.Worst() != tt.worst {
				t.Errorf("%v: %d", tt.codes, r.Worst())
			}
			slices.Reverse(tt.codes)
		}
	}
}

// The error of a matrix is of the kind for which the worst cell's call ended.
func TestUnexpected(t *testing.T) {
	for code, kind := range map[int]error{
		job.CodeRefused: job.ErrRequest, job.CodeMisfit: job.ErrMisfit, job.CodeBehaved: job.ErrBehaved, job.CodeNoVerdict: job.ErrNoVerdict,
	} {
		r := &report.Report{Cells: []report.Cell{{}, {ExitCode: code}}}
		if err := r.Unexpected(); !errors.Is(err, kind) || !strings.Contains(err.Error(), "1 of 2 cells as expected") {
			t.Errorf("%d: %v", code, err)
		}
	}
	r := &report.Report{Cells: []report.Cell{{ExitCode: job.CodeFailed}}}
	if err := r.Unexpected(); err == nil || errors.Is(err, job.ErrBehaved) || errors.Is(err, job.ErrRequest) {
		t.Errorf("failed: %v", err)
	}
	for _, r := range []*report.Report{{Command: "matrix"}, {Cells: []report.Cell{{}}}, {}} {
		if err := r.Unexpected(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Every cell of the page leads to its evidence, and one that is not as it is to be has its cases there.
func TestMatrixPage(t *testing.T) {
	page, err := os.ReadFile(write(t, aMatrix(), "html"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, id := range []string{"cell-1", "cell-2", "cell-3", "cell-4"} {
		if strings.Count(text, `<a href="#`+id+`">`) != 1 || strings.Count(text, `<section class="card" id="`+id+`"`) != 1 {
			t.Errorf("%s is not there once, with a link to it", id)
		}
	}
	for _, want := range []string{"A cell is not as expected", "PROTECTED, 0.0 s", "the node died", "&lt;b&gt;", "<details class=\"case\">"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if strings.Contains(text, "<b>") || strings.Contains(text, "\x1b") {
		t.Error("it has what a cell's name or log smuggles in")
	}
}
