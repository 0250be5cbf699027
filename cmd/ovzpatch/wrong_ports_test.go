// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/mutant"
	"ovzpatch/internal/report"
	"ovzpatch/internal/trial"
)

// caughtBy is the case that each wrong port in testdata/wrong is there for, by the name of its file.
var caughtBy = map[string]struct{ name, backend string }{
	"after-gate":            {"force-idle", "userns"},
	"drops-detach":          {"force-detach-busy", "namespaces"},
	"every-type":            {"force-other-type", "namespaces"},
	"expire-passes":         {"expire-force", "namespaces"},
	"host-keeps-caller":     {"host-flood-threads", "host"},
	"host-keeps-superblock": {"host-force", "host"},
	"host-too":              {"host-force", "host"},
	"logs-early":            {"force-uid-1000", "namespaces"},
	"logs-only":             {"force-idle", "namespaces"},
	"oopses":                {"force-32-bit", "namespaces"},
	"silent":                {"force-idle", "namespaces"},
	"wrong-id":              {"force-idle", "namespaces"},
}

// Every wrong port must be caught on a really booted kernel, by the case that is there
// for it. As the mutants they are all in one kernel, one of them to a boot; the port itself, which
// is there, too, must not be caught.
func TestWrongPortsAreCaught(t *testing.T) {
	long(t)
	_, before := fsSource(t)
	together := wrongPorts(t, before)
	k, o := togetherUnpacked(t, togetherKernel(t, before, together))
	for i, name := range together.Names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, said := o, &said{}
			o.Words, o.Report = []string{fmt.Sprintf("%s=%d", mutant.Parameter, i)}, said
			tried, err := trial.Run(t.Context(), trial.Trial{Label: "this kernel", Kernel: k, Expect: guest.Protected}, o)
			if err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			err = (&report.Report{Kernels: []report.Kernel{*tried}}).Unexpected()
			if i == 0 {
				if err != nil || tried.Verdict != guest.Protected {
					t.Errorf("the port itself is %s: what the wrong ones show means nothing: %v", tried.Verdict, err)
				}
				return
			}
			if exitCode(err) != job.CodeBehaved {
				t.Errorf("exit code %d, want %d\n%s", exitCode(err), job.CodeBehaved, said)
			}
			if tried.Verdict == guest.Protected {
				t.Error("the verdict is protected")
			}
			want, caught := caughtBy[name], false
			for _, res := range tried.Results {
				if res.Name == want.name && res.Backend == want.backend {
					caught = res.Verdict != guest.Protected && res.Verdict != guest.Either
				}
				if res.Verdict == guest.Faulty || res.Verdict == guest.Vulnerable {
					t.Logf("caught by %s in %s: %s %s", res.Name, res.Backend, res.Verdict, res.Why)
				}
			}
			if !caught {
				t.Errorf("%s in %s did not catch it", want.name, want.backend)
			}
			if name == "oopses" {
				triedWithout(t, tried.Results, said.String())
			}
		})
	}
}

// wrongPorts puts the wrong ports together with ours.
func wrongPorts(t *testing.T, before []byte) *mutant.Together {
	t.Helper()
	files, err := filepath.Glob("testdata/wrong/*.patch")
	if err != nil || len(files) != len(caughtBy) {
		t.Fatalf("%d wrong ports, %d expected (%v)", len(files), len(caughtBy), err)
	}
	var wrong []mutant.Mutant
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		after, err := patched(data, before)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".patch")
		if _, known := caughtBy[name]; !known {
			t.Fatalf("%s: say in caughtBy which case catches it", file)
		}
		wrong = append(wrong, mutant.Mutant{Name: name, Patch: wide(t, before, after, wholeFile)})
	}
	together, err := mutant.PutTogether(ownPort(t, before), wrong, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(together.Outside) > 0 {
		t.Fatalf("these change more than the functions that our port changes, so that one kernel cannot hold them all: %q", together.Outside)
	}
	return together
}

// said is what a job says.
type said struct {
	job.Quiet
	strings.Builder
}

func (s *said) Say(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// triedWithout checks that a kernel which died in one case was booted again without it: that
// case says of what it died, and all others have their results, each one.
func triedWithout(t *testing.T, results []guest.Result, said string) {
	t.Helper()
	times := map[string]int{}
	for _, res := range results {
		times[res.Backend+"/"+res.Name]++
		faulty := res.Verdict != guest.Protected && res.Verdict != guest.Either
		died := strings.Contains(res.Why, "the kernel failed before the end: oops: ") && strings.Contains(res.Why, "kernel BUG at")
		if it := res.Backend+"/"+res.Name == "namespaces/force-32-bit"; it != faulty || it != died {
			t.Errorf("%s in %s: %s %s", res.Name, res.Backend, res.Verdict, res.Why)
		}
	}
	for _, name := range []string{"namespaces/force-idle", "namespaces/force-32-bit", "userns/force-idle", "host/nothing-left"} {
		if times[name] != 1 {
			t.Errorf("%s has %d results", name, times[name])
		}
	}
	if !strings.Contains(said, "in case namespaces/force-32-bit: ") || !strings.Contains(said, "booting once more without that case") {
		t.Errorf("it does not say that it boots once more\n%s", said)
	}
}
