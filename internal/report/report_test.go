// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

const message = "Forced umount of lustre fs is not allowed inside container (4026532067). Overriding MNT_FORCE flag."

// sample is a run whose second kernel went wrong in one case.
func sample() *report.Report {
	force := func(v guest.Verdict, backend string, got guest.Seen, log ...string) guest.Result {
		return guest.Result{Name: "force-idle", Backend: backend, Verdict: v, Got: got, Log: log}
	}
	plain := guest.Result{Name: "plain", Backend: "namespaces", Verdict: guest.Either, Got: guest.Seen{Errno: "0", Host: "0"}}
	odd := guest.Result{
		Name: "force-busy", Backend: "namespaces", Verdict: guest.Faulty, Why: "with the patch: messages 3, not 1",
		Got: guest.Seen{Errno: "EBUSY", Forced: 2, Messages: 3, Host: "ESHUTDOWN", Peer: "0", Held: "ESHUTDOWN"},
	}
	return &report.Report{
		Source: "linux.tar.xz", Line: "mainline-6.1", Patch: "a.patch", Accel: "tcg",
		Kernels: []report.Kernel{
			{
				Label: "with the patch", Release: "6.1.1-1.lustre1.x86_64", Expect: guest.Protected, Verdict: guest.Protected,
				Results: []guest.Result{
					force(guest.Protected, "namespaces", guest.Seen{Errno: "0", Messages: 1, Host: "0"}, message),
					force(guest.Protected, "userns", guest.Seen{Errno: "0", Messages: 1, Host: "0"}, message),
					plain,
				},
			},
			{
				Label: "without", Release: "6.1.1-1.x86_64", Expect: guest.Vulnerable, Verdict: guest.Faulty,
				Notes:   []string{"not tried: \x1b[31mno program"},
				Results: []guest.Result{force(guest.Vulnerable, "namespaces", guest.Seen{Errno: "0", Forced: 1, Host: "ESHUTDOWN"}), odd, plain},
			},
		},
	}
}

// A patch that is none of ours is told as such.
func TestTextSaysThatThePortIsDerived(t *testing.T) {
	r := sample()
	r.Derived = "from the source itself"
	var b strings.Builder
	if err := r.Text(&b, false); err != nil || !strings.Contains(b.String(), "The patch was derived from the source itself.") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := sample().Text(&b, false); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/report.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestSeen(t *testing.T) {
	r := &report.Report{}
	if s := r.Seen(); s != "" {
		t.Errorf("of nothing: %s", s)
	}
	r.Kernels = []report.Kernel{
		{Release: "6.1.1", Label: "with the patch", Verdict: guest.Faulty, Results: make([]guest.Result, 3)},
		{Release: "6.1.0", Label: "without the patch", Verdict: guest.Vulnerable, Results: make([]guest.Result, 4)},
	}
	if s := r.Seen(); s != "6.1.1 with the patch was faulty by 3 cases, 6.1.0 without the patch was vulnerable by 4 cases" {
		t.Error(s)
	}
}

func TestJSONGivesTheReportBack(t *testing.T) {
	var b strings.Builder
	if err := sample().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var back report.Report
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Kernels) != 2 || back.Kernels[1].Results[1].Got.Messages != 3 {
		t.Errorf("got %+v", back)
	}
}

// No verdict is another thing than a bad one.
func TestInconclusiveIsNoMisbehaviour(t *testing.T) {
	good := report.Kernel{Expect: guest.Protected, Verdict: guest.Protected}
	bad := report.Kernel{Expect: guest.Protected, Verdict: guest.Vulnerable}
	none := report.Kernel{Expect: guest.Protected, Verdict: guest.Inconclusive}
	for name, tt := range map[string]struct {
		kernels             []report.Kernel
		conclusive, behaved bool
	}{
		"good":              {[]report.Kernel{good}, true, true},
		"no verdict":        {[]report.Kernel{good, none}, false, true},
		"bad":               {[]report.Kernel{bad}, true, false},
		"bad and none":      {[]report.Kernel{bad, none}, false, false},
		"not expected":      {[]report.Kernel{{Verdict: guest.Inconclusive}}, false, true},
		"faulty, not asked": {[]report.Kernel{{Verdict: guest.Faulty}}, true, false},
		"nothing expected":  {[]report.Kernel{{Verdict: guest.Vulnerable}}, true, true},
	} {
		r := &report.Report{Kernels: tt.kernels}
		if r.Conclusive() != tt.conclusive || r.Behaved() != tt.behaved {
			t.Errorf("%s: conclusive %v, behaved %v", name, r.Conclusive(), r.Behaved())
		}
	}
}

// Harm that no port is there for must be seen beside a good verdict.
func TestTextTellsFindings(t *testing.T) {
	r := report.Report{Kernels: []report.Kernel{{Label: "this kernel", Verdict: guest.Protected, Results: []guest.Result{
		{Name: "shutdown", Backend: "namespaces", Verdict: guest.Protected, Finding: "read-only for everybody"},
		{Name: "remount-read-only", Backend: "namespaces", Verdict: guest.Either, Finding: "read-only for everybody"},
	}}}}
	var b strings.Builder
	if err := r.Text(&b, false); err != nil {
		t.Fatal(err)
	}
	want := "this kernel, NOT COVERED by the patch: read-only for everybody, by shutdown (namespaces), remount-read-only (namespaces)\n"
	if !strings.Contains(b.String(), want) {
		t.Errorf("no %q in:\n%s", want, b.String())
	}
}

// A colour says what a verdict means: a kernel without the patch must be vulnerable. Without colours
// the same words are there.
func TestVerdictsInColour(t *testing.T) {
	r := &report.Report{Kernels: []report.Kernel{
		{Label: "with", Verdict: guest.Protected, Expect: guest.Protected},
		{Label: "without", Verdict: guest.Vulnerable, Expect: guest.Vulnerable},
		{Label: "wrong", Verdict: guest.Vulnerable, Expect: guest.Protected},
		{Label: "asked", Verdict: guest.Protected},
		{Label: "open", Verdict: guest.Inconclusive, Expect: guest.Protected},
	}}
	var plain, coloured strings.Builder
	if err := errors.Join(r.Text(&plain, false), r.Text(&coloured, true)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"32mprotected", "32mvulnerable", "31mvulnerable", "33minconclusive"} {
		if !strings.Contains(coloured.String(), "\x1b["+want+"\x1b[0m") {
			t.Errorf("no %q in\n%q", want, coloured.String())
		}
	}
	if got := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(coloured.String(), ""); got != plain.String() {
		t.Errorf("without colours other text:\n%s\nand\n%s", got, plain.String())
	}
}
