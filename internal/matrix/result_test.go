// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/report"
)

func result(key string, code int, verdicts ...guest.Verdict) *Result {
	r := &Result{Cell: "a/with", Key: key, ExitCode: code, Report: &report.Report{}, Finished: time.Now()}
	for _, v := range verdicts {
		r.Report.Kernels = append(r.Report.Kernels, report.Kernel{Verdict: v})
	}
	return r
}

func TestFirstResultWins(t *testing.T) {
	w := &Work{t.TempDir()}
	unlock, err := w.Ready()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for i, code := range []int{0, 4} {
		name := []string{"7.0", "7.1"}[i]
		dir := filepath.Join(w.attempts("k"), name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		r := result("k", code, guest.Protected)
		r.Attempt, r.Host = name, "n1"
		if err := w.put(r, dir); errors.Is(err, errLate) != (i == 1) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	r, err := w.Result("k")
	if err != nil || r.Attempt != "7.0" {
		t.Fatalf("%+v, %v", r, err)
	}
	cell := w.Judge(&Cell{Name: "a/with", Variant: With}, r, false, "")
	if cell.ExitCode != 0 || len(cell.Notes) != 1 || !strings.Contains(cell.Notes[0], "7.1 on n1 came second, with exit code 4 and not 0") {
		t.Errorf("%+v", cell)
	}
	if _, err := w.Ready(); err == nil || !strings.Contains(err.Error(), "another ovzpatch matrix works in") {
		t.Errorf("a second call: %v", err)
	}
}

func TestBrokenResults(t *testing.T) {
	w := &Work{write(t, map[string]string{"results/k.json": "{}", "results/l.json": "{", "results/m.json": `{"key": "n", "report": {}}`})}
	for _, key := range []string{"k", "l", "m"} {
		if r, err := w.Result(key); err == nil || r != nil || !strings.Contains(err.Error(), "remove it, and the next call does the cell again") || strings.Contains(err.Error(), "nil") {
			t.Errorf("%s: %v, %v", key, r, err)
		}
	}
}

func TestJudge(t *testing.T) {
	w := &Work{t.TempDir()}
	for _, tt := range []struct {
		variant, expect string
		r               *Result
		outcome         string
		code            int
	}{
		{Check, "", result("k", 0), "fits", 0},
		{Check, "", result("k", 3), "misfit", 3},
		{Check, "misfit", result("k", 3), "misfit", 0},
		{Check, "misfit", result("k", 0), "fits", 4},
		{Check, "misfit", result("k", 1), "failed", 1},
		{With, "", result("k", 0, guest.Protected), "protected", 0},
		{With, "", result("k", 4, guest.Vulnerable), "vulnerable", 4},
		{With, "vulnerable", result("k", 4, guest.Vulnerable), "vulnerable", 0},
		{With, "vulnerable", result("k", 0, guest.Protected), "protected", 4},
		{With, "misfit", result("k", 0, guest.Protected), "protected", 4},
		{With, "vulnerable", result("k", 3), "misfit", 3},
		{With, "", result("k", 5, guest.Inconclusive), "inconclusive", 5},
		{With, "inconclusive", result("k", 5, guest.Inconclusive), "inconclusive", 0},
		{With, "protected", result("k", 5, guest.Inconclusive), "inconclusive", 4},
		{With, "vulnerable", result("k", 1, guest.Vulnerable), "failed", 1},
		{With, "", result("k", 2), "refused", 2},
		{Livepatch, "", result("k", 0, guest.Vulnerable, guest.Vulnerable, guest.Protected), "protected", 0},
		{Livepatch, "", result("k", 4, guest.Vulnerable, guest.Vulnerable), "vulnerable", 4},
		{Livepatch, "misfit", result("k", 3), "misfit", 0},
		{With, "misfit", nil, "no result", 1},
	} {
		cell := w.Judge(&Cell{Name: "a", Variant: tt.variant, Expect: tt.expect}, tt.r, false, "")
		if cell.Outcome != tt.outcome || cell.ExitCode != tt.code {
			t.Errorf("%s, expected %q, %+v: %s, %d; must be %s, %d", tt.variant, tt.expect, tt.r, cell.Outcome, cell.ExitCode, tt.outcome, tt.code)
		}
	}
}
