// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/report"
)

func seen(names ...string) (k report.Kernel) {
	for _, name := range names {
		k.Results = append(k.Results, guest.Result{Name: name})
	}
	k.Notes = []string{"a note"}
	return k
}

func TestColumns(t *testing.T) {
	all, err := columns(seen("a", "b", "c", "d", "e"), []guest.State{
		{Name: guest.NotLoaded, Cases: 1, Verdict: guest.Vulnerable},
		{Name: guest.Loaded, Cases: 1, Verdict: guest.Protected},
		{Name: guest.Disabled, Cases: 1, Verdict: guest.Protected},
		{Name: guest.LoadedAgain, Cases: 2, Verdict: guest.Protected},
	}, false)
	if err != nil || len(all) != 4 {
		t.Fatalf("%+v, %v", all, err)
	}
	if r := all[3].Results; len(r) != 2 || r[0].Name != "d" || all[1].Results[0].Name != "b" {
		t.Errorf("the results are split as %+v", all)
	}
	if all[0].Expect != guest.Vulnerable || all[1].Expect != guest.Protected || len(all[0].Notes) != 1 || len(all[1].Notes) != 0 {
		t.Errorf("got %+v", all)
	}
	// What survives being disabled is not as expected.
	if (&report.Report{Kernels: all}).Behaved() {
		t.Error("a livepatch that survives passes")
	}
}

func TestColumnsOfAStateNotReached(t *testing.T) {
	all, err := columns(seen("a"), []guest.State{
		{Name: guest.NotLoaded, Cases: 1, Verdict: guest.Vulnerable},
		{Name: guest.Loaded, Verdict: guest.Protected, Failed: "its transition is not over"},
	}, false)
	if err != nil || len(all) != 2 || all[1].Verdict != guest.Faulty || strings.Join(all[1].Notes, "") != "its transition is not over" {
		t.Errorf("%+v, %v", all, err)
	}
	if (&report.Report{Kernels: all}).Behaved() {
		t.Error("a livepatch that is never in effect passes")
	}
}

func TestColumnsOfABootThatBroke(t *testing.T) {
	k := seen("a", "b", "c")
	k.Verdict, k.Broken, k.AtFault, k.Ended = guest.Faulty, "panic", true, []float64{1, 2, 3}
	all, err := columns(k, []guest.State{{Name: guest.NotLoaded, Cases: 1, Verdict: guest.Vulnerable}}, true)
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if first := all[0]; first.Broken != "" || first.AtFault || first.Verdict != guest.Vulnerable || len(first.Ended) != 1 {
		t.Errorf("the state before is %+v", first)
	}
	if last := all[1]; last.Label != guest.Loaded || last.Broken != "panic" || last.Verdict != guest.Faulty || len(last.Results) != 2 || last.Ended[0] != 2 {
		t.Errorf("the state in which it broke is %+v", last)
	}
}

// A guest that leaves a state out has shown nothing.
func TestColumnsRefuse(t *testing.T) {
	first := guest.State{Name: guest.NotLoaded, Cases: 1, Verdict: guest.Vulnerable}
	for name, states := range map[string][]guest.State{
		"none":           nil,
		"one":            {first},
		"another order":  {{Name: guest.Loaded, Verdict: guest.Protected}},
		"too many cases": {{Name: guest.NotLoaded, Cases: 2}},
		"a negative one": {{Name: guest.NotLoaded, Cases: -1}},
		"one too many":   {first, {Name: guest.Loaded}, {Name: guest.Disabled}, {Name: guest.LoadedAgain}, {Name: "more"}},
	} {
		if all, err := columns(seen("a"), states, false); err == nil {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

// A guest has the module under the kernel's name for it, which is not that of the file, and one of another
// kernel is refused before the boot.
func TestWithLivepatch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "my copy.ko")
	as := exec.CommandContext(t.Context(), "as", "-o", file)
	as.Stdin = strings.NewReader(`.section .modinfo,"a"
.asciz "livepatch=Y"
.asciz "name=ovzlivepatch_1"
.asciz "vermagic=6.1.0-1 SMP "
`)
	if out, err := as.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	k := &Kernel{Kernel: &kernelrpm.Kernel{Release: "6.1.0-1"}}
	if err := k.withLivepatch(""); err != nil || k.Livepatch != "" {
		t.Errorf("none is %q, %v", k.Livepatch, err)
	}
	if err := k.withLivepatch(file); err != nil || k.Livepatch != file || k.livepatch() != "/lib/modules/6.1.0-1/extra/ovzlivepatch_1.ko" {
		t.Errorf("%q is at %q: %v", k.Livepatch, k.livepatch(), err)
	}
	other := &Kernel{Kernel: &kernelrpm.Kernel{Release: "6.1.0-2"}}
	if err := other.withLivepatch(file); !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "was built for kernel 6.1.0-1, but the kernel is 6.1.0-2, which would not load it: ovzpatch livepatch makes one") {
		t.Errorf("of another kernel: %v", err)
	}
}
