// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/report"
	"ovzpatch/internal/trial"
)

// What became of a guest is there for programs, each part by itself.
func TestFailureOfAGuest(t *testing.T) {
	died := &qemu.BootError{Outcome: qemu.Panic, Kernel: "bzImage", Line: "Kernel panic - not syncing: \x1b[1mx", KernelBad: true, ConsolePath: "/c/console.log"}
	for err, want := range map[error]report.Failure{
		fmt.Errorf("try: %w", job.Misbehaved(died)): {ExitCode: job.CodeBehaved, Outcome: string(qemu.Panic), Line: "Kernel panic - not syncing: x", Log: "/c/console.log"},
		job.NoVerdict(fmt.Errorf("try the cases")):  {ExitCode: job.CodeNoVerdict},
	} {
		got := newFailure(err)
		if got.Error == "" || strings.Contains(got.Error, "\x1b") {
			t.Errorf("error %q", got.Error)
		}
		got.Error = ""
		if strings.Contains(got.Line, "\x1b") || got.ExitCode != want.ExitCode || got.Outcome != want.Outcome || got.Log != want.Log {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// testKernel is the package that `make test` built in bin/test.
func testKernel(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob("../../bin/test/" + name + "[0-9]*.x86_64.rpm")
	if err != nil || len(found) != 1 {
		t.Fatalf("packages in bin/test: %v, %v: run the tests with `make test`, which builds them", found, err)
	}
	return found[0]
}

// A guest that does not come to its end in time is told as JSON and in every report, with exit
// code 1: nothing is known of the kernel.
func TestGuestThatEndsTooSoon(t *testing.T) {
	long(t)
	junit := filepath.Join(t.TempDir(), "junit.xml")
	stdout, stderr, code := ovzpatch(t, "test", testKernel(t, "kernel-ovz-"), "--boot-timeout=1ms", "--json", "--report=junit="+junit)
	var f report.Failure
	if err := json.Unmarshal([]byte(stdout), &f); err != nil || code != job.CodeFailed {
		t.Fatalf("%v, exit code %d\n%s\n%s", err, code, stdout, stderr)
	}
	if f.ExitCode != job.CodeFailed || f.Outcome != string(qemu.TimedOut) && f.Outcome != string(qemu.Silent) || f.Error == "" || f.Log == "" {
		t.Errorf("got %+v", f)
	}
	if _, err := os.Stat(f.Log); err != nil {
		t.Error(err)
	}
	// The run, the boot and the verdict have no result.
	if text, err := os.ReadFile(junit); err != nil || strings.Count(string(text), "<error ") != 3 || strings.Contains(string(text), "<failure ") {
		t.Errorf("%v\n%s", err, text)
	}
}

// A probe that the kernel refuses says nothing of the patch. What the kernel says of it is told.
func TestProbeThatDoesNotLoad(t *testing.T) {
	long(t)
	home, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	o := trial.Options{Cache: cache.Cache{Dir: defaultCache()}, Home: home, LogDir: t.TempDir(), Report: job.Quiet{}}
	if err := o.Accelerate(t.Context()); err != nil {
		t.Fatal(err)
	}
	k, err := trial.Choice{Package: testKernel(t, "kernel-ovz-"), Devel: testKernel(t, "kernel-ovz-devel-")}.Unpack(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	// As one that was built for another kernel, and slipped through.
	module, err := os.ReadFile(k.Probe)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Repeat("9", len(k.Release))
	broken := bytes.Replace(module, []byte("vermagic="+k.Release), []byte("vermagic="+other), 1)
	if bytes.Equal(broken, module) {
		t.Fatal("the probe has no vermagic")
	}
	k.Probe = filepath.Join(t.TempDir(), "broken.ko")
	if err := os.WriteFile(k.Probe, broken, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = trial.Run(t.Context(), trial.Trial{Label: "this kernel", Kernel: k}, o)
	want := "; the kernel says: lustreprobe: version magic '" + other
	if exitCode(err) != job.CodeNoVerdict || !strings.Contains(err.Error(), want) {
		t.Errorf("exit code %d: %v, want %q", exitCode(err), err, want)
	}
}
