// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/report"
	"ovzpatch/internal/source"
	"ovzpatch/internal/testutil"
)

// ovzpatch runs the program as `make` built it, guest programs beside it, and returns its
// output and exit code.
func ovzpatch(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return ovzpatchIn(t, nil, args...)
}

// ownLocks begins a command line whose rest has a tmpfs of its own for locks, which must be
// on one: not every machine's /run is.
var ownLocks = append(testutil.Alone(), "sh", "-ec", `mkdir -p /run/ovzpatch; mount -t tmpfs -o mode=755 tmpfs /run/ovzpatch; exec "$@"`, "sh")

func ovzpatchIn(t *testing.T, prefix []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	program, err := filepath.Abs("../../bin/ovzpatch")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: run the tests with `make test`, which builds it", err)
	}
	argv := slices.Concat(prefix, []string{program}, args)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// long marks a test that builds and boots kernels.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and boots kernels; not with -short")
	}
}

func parseReport(t *testing.T, text string) report.Report {
	t.Helper()
	var r report.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("the report is no JSON: %v\n%s", err, text)
	}
	return r
}

// The main job: the same kernel is protected with the patch and vulnerable without it.
func TestRun(t *testing.T) {
	long(t)
	for _, target := range []string{"x86_64", "i686"} {
		t.Run(target, func(t *testing.T) { testRun(t, target) })
	}
}

func testRun(t *testing.T, target string) {
	out := t.TempDir()
	stdout, stderr, code := ovzpatch(t, "run", "--json", "--target="+target, "-o", out)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	r := parseReport(t, stdout)
	if len(r.Kernels) != 2 || r.Kernels[0].Verdict != guest.Protected || r.Kernels[1].Verdict != guest.Vulnerable {
		t.Fatalf("verdicts: %s", stdout)
	}
	for i, want := range []string{
		"Forced umount of lustre fs is not allowed inside container (",
		"Lustre: setting import probe-MDT0000_UUID INACTIVE by administrator request",
	} {
		k := r.Kernels[i]
		if len(k.Results) < 40 {
			t.Errorf("%s: %d cases only", k.Label, len(k.Results))
		}
		compat := slices.ContainsFunc(k.Results, func(res guest.Result) bool { return res.Name == "force-32-bit" })
		if compat != (target == "x86_64") {
			t.Errorf("%s: a 32-bit program was tried: %v", k.Label, compat)
		}
		console, err := os.ReadFile(k.Console)
		if err != nil || !bytes.Contains(console, []byte(want)) {
			t.Errorf("%s: the console lacks %q (%v)", k.Label, want, err)
		}
	}
	for _, pattern := range []string{
		"kernel-ovz-6*.lustre1." + target + ".rpm", "kernel-ovz-devel-6*.lustre1." + target + ".rpm",
		"*.lustre1.src.rpm", "report.json",
	} {
		if found, _ := filepath.Glob(filepath.Join(out, pattern)); len(found) != 1 {
			t.Errorf("%s: %v", pattern, found)
		}
	}
}

// A build goes into a datastore, and what a test finds goes with it.
func TestBuildAndTestInADatastore(t *testing.T) {
	long(t)
	store := filepath.Join(t.TempDir(), "store")
	must := func(args ...string) string {
		t.Helper()
		stdout, stderr, code := ovzpatchIn(t, ownLocks, args...)
		if code != 0 {
			t.Fatalf("%s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
		}
		return stdout
	}
	must("store", "init", store)
	ref := strings.TrimSpace(must("build", source.Newest(source.Debian), "--store", store))
	if !strings.HasPrefix(ref, "kernel/kernel-ovz.x86_64/") {
		t.Fatalf("snapshot %q", ref)
	}
	must("test", "--store", store, ref, "--expect=protected")
	shown := must("store", "show", "--store", store, ref, "--json")
	for _, want := range []string{`"verdict": "protected"`, "kernel-ovz-devel-6", `"log": "build.log"`, `"gcc": "gcc `} {
		if !strings.Contains(shown, want) {
			t.Errorf("the manifest lacks %s", want)
		}
	}
	must("store", "verify", "--store", store)
}

// Every wrong port must be caught on a really booted kernel, by the case that is there
// for it.
func TestWrongPortsAreCaught(t *testing.T) {
	long(t)
	caughtBy := map[string]struct{ name, backend string }{
		"after-gate":    {"force-idle", "userns"},
		"drops-detach":  {"force-detach-busy", "namespaces"},
		"every-type":    {"force-other-type", "namespaces"},
		"expire-passes": {"expire-force", "namespaces"},
		"host-too":      {"host-force", "host"},
		"logs-early":    {"force-uid-1000", "namespaces"},
		"logs-only":     {"force-idle", "namespaces"},
		"oopses":        {"force-32-bit", "namespaces"},
		"silent":        {"force-idle", "namespaces"},
		"wrong-id":      {"force-idle", "namespaces"},
	}
	ports, err := filepath.Glob("testdata/wrong/*.patch")
	if err != nil || len(ports) != len(caughtBy) {
		t.Fatalf("%d wrong ports, %d expected (%v)", len(ports), len(caughtBy), err)
	}
	for _, port := range ports {
		name := strings.TrimSuffix(filepath.Base(port), ".patch")
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, stderr, code := ovzpatch(t, "build", source.Newest(source.Debian), "--patch", port, "--misplaced", "-o", dir); code != 0 {
				t.Fatalf("build: exit code %d\n%s", code, stderr)
			}
			kernel, err := filepath.Glob(filepath.Join(dir, "kernel-ovz-6*.x86_64.rpm"))
			if err != nil || len(kernel) != 1 {
				t.Fatalf("kernel packages %v (%v)", kernel, err)
			}
			stdout, stderr, code := ovzpatch(t, "test", kernel[0], "--expect=protected", "--json")
			if code != exitBehaved {
				t.Errorf("exit code %d, want %d\n%s", code, exitBehaved, stderr)
			}
			k := parseReport(t, stdout).Kernels[0]
			if k.Verdict == guest.Protected {
				t.Error("the verdict is protected")
			}
			want, caught := caughtBy[name], false
			for _, res := range k.Results {
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
				triedWithout(t, k.Results, stderr)
			}
		})
	}
}

// triedWithout checks that a kernel which died in one case was booted again without it: that
// case says of what it died, and all others have their results, each one.
func triedWithout(t *testing.T, results []guest.Result, said string) {
	t.Helper()
	times := map[string]int{}
	for _, res := range results {
		times[res.Backend+"/"+res.Name]++
		faulty := res.Verdict != guest.Protected && res.Verdict != guest.Either
		died := strings.Contains(res.Why, "did not live to its end: oops: ") && strings.Contains(res.Why, "kernel BUG at")
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
