// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"ovzpatch/internal/container"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/umount"
)

func TestParseWords(t *testing.T) {
	for cmdline, want := range map[string]words{
		"console=ttyS0 panic=1\n": {mode: "run"},
		"umounttest.mode=shell":   {ours: true, all: []string{"umounttest.mode=shell"}, mode: "shell"},
		"quiet umounttest.cases=^force=a$ umounttest.container=a,,b x": {
			ours: true, all: []string{"umounttest.cases=^force=a$", "umounttest.container=a,,b"},
			mode: "run", cases: "^force=a$", backends: []string{"a", "b"},
		},
		"umounttest.mount=10.0.0.1@tcp:/l umounttest.address=10.0.0.2": {
			ours: true, all: []string{"umounttest.mount=10.0.0.1@tcp:/l", "umounttest.address=10.0.0.2"},
			mode: "run", source: "10.0.0.1@tcp:/l", address: "10.0.0.2",
		},
		"umounttest.container=": {ours: true, all: []string{"umounttest.container="}, mode: "run", backends: []string{}},
	} {
		if got := parseWords(cmdline); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, want %+v", cmdline, got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	cases, err := matching("^plain$")
	if err != nil || len(cases) != 1 || cases[0].Name != "plain" {
		t.Errorf("got %d cases, %v", len(cases), err)
	}
	if cases, err = matching(""); err != nil || len(cases) != len(umount.Cases()) {
		t.Errorf("got %d cases, %v", len(cases), err)
	}
	for pattern, want := range map[string]string{"(": "missing closing", "nothing-like-it": "none matches"} {
		if cases, err := matching(pattern); err == nil || !strings.Contains(err.Error(), want) || len(cases) != 0 {
			t.Errorf("%q: got %d cases, %v", pattern, len(cases), err)
		}
	}
}

func TestOfferTellsWhatIsMissing(t *testing.T) {
	_, names, missing := session{backends: []string{"namespaces", "zone"}}.offer()
	if !reflect.DeepEqual(names, []string{"namespaces"}) {
		t.Errorf("offers %v", names)
	}
	if len(missing) != 1 || !strings.Contains(missing[0], "zone") {
		t.Errorf("missing %q", missing)
	}
	for _, b := range container.Backends() {
		if _, ok := backends[b.Name()]; !ok {
			t.Errorf("the cases know nothing of %s", b.Name())
		}
	}
}

func TestOfferMissesOnlyWhatWasAskedFor(t *testing.T) {
	for asked, want := range map[string]int{"": 0, "ve": 1, "ve-cgroup,ve-userns": 2} {
		if _, _, missing := (session{backends: splitNames(asked)}).offer(); len(missing) != want {
			t.Errorf("asked for %q: missing %q", asked, missing)
		}
	}
}

func TestKTAP(t *testing.T) {
	var b bytes.Buffer
	k := &ktap{w: &b}
	for _, e := range []guest.Event{
		{Hello: &guest.Hello{Release: "6.1.192", Machine: "x86_64", Cases: 3}},
		{Note: &guest.Note{Text: "one\ntwo"}},
		{Case: &guest.Result{Name: "force-idle", Backend: "userns", Verdict: guest.Protected}},
		{Case: &guest.Result{Name: "plain", Backend: "userns", Verdict: guest.Inconclusive, Why: "a\nb"}},
		{Case: &guest.Result{Name: "host-force", Backend: "host", Verdict: guest.Faulty, Why: "on any kernel: x"}},
		{Done: &guest.Done{Cases: 3, Verdict: guest.Faulty, Failed: "no\nservers"}},
	} {
		if err := k.emit(e); err != nil {
			t.Fatal(err)
		}
	}
	want := `KTAP version 1
# kernel 6.1.192 x86_64
1..3
# one
# two
ok 1 userns/force-idle # protected
not ok 2 userns/plain # inconclusive: a b
not ok 3 host/host-force # faulty: on any kernel: x
# failed: no
# servers
# verdict: faulty
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestPanicBecomesANote(t *testing.T) {
	var notes []string
	err := guarded(func(e guest.Event) error {
		notes = append(notes, e.Note.Text)
		return nil
	}, func() error {
		var none *words
		return errors.New(none.mode)
	})
	if err == nil || len(notes) != 1 || !strings.Contains(notes[0], "umounttest panics: runtime error") || !strings.Contains(notes[0], "main_test.go") {
		t.Errorf("notes %q, error %v", notes, err)
	}
	cause := errors.New("cause")
	if err := guarded(nil, func() error { return cause }); err != cause {
		t.Errorf("without a panic: %v", err)
	}
}

func TestListShowsEveryCase(t *testing.T) {
	var b bytes.Buffer
	if err := list(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, c := range umount.Cases() {
		if !strings.Contains(b.String(), c.Name+" ") || !strings.Contains(b.String(), c.Text+"\n") {
			t.Errorf("%s is not listed", c.Name)
		}
	}
}

// A build machine is no guest: the program must not touch its mounts.
func TestRunRefusesHere(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run"}, {"run", "--this-host-is-a-guest="}, {"run", "--this-host-is-a-guest=" + name + "x"},
	} {
		err := dispatch(t.Context(), args)
		if err == nil || !strings.Contains(err.Error(), "--this-host-is-a-guest="+name) || errors.Is(err, errUsage) {
			t.Errorf("%v: got %v", args, err)
		}
	}
	if err := mayRun(name); err != nil {
		t.Errorf("named exactly: %v", err)
	}
}

func TestJudged(t *testing.T) {
	for v, want := range map[guest.Verdict]struct {
		text string
		code int
	}{
		guest.Protected: {"", 0}, guest.Vulnerable: {"", 0}, guest.Faulty: {"as neither", 4}, guest.Inconclusive: {"no verdict", 5}, "": {"no verdict", 5},
	} {
		err := judged(v)
		if (err == nil) != (want.text == "") || err != nil && (!strings.Contains(err.Error(), want.text) || exitCode(err) != want.code) {
			t.Errorf("%s: got %v", v, err)
		}
	}
	for err, want := range map[error]int{errors.New("mount"): 1, fmt.Errorf("x: %w", errUsage): 2} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: exit code %d, want %d", err, got, want)
		}
	}
}

// Kernels hand to /init what they do not know, as 2.6.18 on i386 does with no_timer_check.
func TestWordsOfTheKernelAreNoCommand(t *testing.T) {
	for _, args := range [][]string{nil, {"no_timer_check"}, {"no_timer_check", "run"}} {
		if isCommand(args) {
			t.Errorf("%v is taken for a command", args)
		}
	}
	for _, word := range []string{"list", "run", umount.AgentWord, umount.UmountWord} {
		if !isCommand([]string{word, "more"}) {
			t.Errorf("%s is no command", word)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		nil,
		{"dance"},
		{"run", "--no-such-flag"},
		{"run", "more"},
		// What no machine has is told before anything is tried.
		{"run", "--cases=("},
		{"run", "--cases=zzz"},
		{"run", "--container=namespaces,zone"},
	} {
		if err := dispatch(t.Context(), args); !errors.Is(err, errUsage) {
			t.Errorf("%v: got %v", args, err)
		}
	}
}

// The guest gets one small program: nothing but these packages may be in it.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	allowed := map[string]bool{
		"golang.org/x/sys/unix": true, "ovzpatch/cmd/umounttest": true, "ovzpatch/internal/container": true,
		"ovzpatch/internal/guest": true, "ovzpatch/internal/kmsg": true, "ovzpatch/internal/umount": true,
	}
	for path := range strings.FieldsSeq(string(out)) {
		if !allowed[path] {
			t.Errorf("umounttest depends on %s", path)
		}
	}
}

func TestFindGatesBelievesNewerKernels(t *testing.T) {
	// The backend cannot start a container: whoever asked it would panic.
	offered := []umount.Backend{{Name: "ve-userns", Gate: umount.Closed, VE: true}}
	for _, release := range []string{"4.18.0-305.3.1.vz8", "5.14.0-70", "6.1.192", "3.100.0"} {
		if err := (session{}).findGates(t.Context(), offered, release); err != nil || offered[0].Gate != umount.Closed {
			t.Errorf("%s: gate %v, %v", release, offered[0].Gate, err)
		}
	}
}
