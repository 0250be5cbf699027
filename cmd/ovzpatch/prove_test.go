// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

// A kernel that is built for the trial alone, without disks and a network, behaves as the one that somebody gets.
func TestRunForTheTrialAlone(t *testing.T) {
	long(t)
	small, whole := proved(t), proved(t, "-o", t.TempDir())
	for i, k := range small.Kernels {
		if got, want := seen(k), seen(whole.Kernels[i]); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", k.Label, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// seen is what the cases of a kernel showed.
func seen(k report.Kernel) (list []string) {
	for _, r := range k.Results {
		list = append(list, fmt.Sprintf("%s in %s: %s", r.Name, r.Backend, report.Seen(r.Got)))
	}
	return list
}

// proved is the report of a run whose kernels were as expected.
func proved(t *testing.T, args ...string) report.Report {
	t.Helper()
	stdout, stderr, code := ovzpatch(t, append([]string{"run", "--json"}, args...)...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	r := parseReport(t, stdout)
	if len(r.Kernels) != 2 || r.Kernels[0].Verdict != guest.Protected || r.Kernels[1].Verdict != guest.Vulnerable {
		t.Fatalf("verdicts: %s", stdout)
	}
	return r
}

func testRun(t *testing.T, target string) {
	out := t.TempDir()
	r := proved(t, "--target="+target, "-o", out)
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
