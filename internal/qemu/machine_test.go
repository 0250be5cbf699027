// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestArgs(t *testing.T) {
	small := Machine{Arch: "x86_64", Accel: Accel{Name: "tcg", Icount: true}, Kernel: "/k/bzImage"}
	full := Machine{
		Arch: "i386", Accel: Accel{Name: "kvm"}, Kernel: "/k/bzImage", Initrd: "/k/initrd",
		Append: []string{"umounttest.case=force", "quiet"}, MemoryMiB: 768, CPUs: 2, Extra: []string{"-gdb", "tcp:127.0.0.1:1234"},
	}
	spare := small
	spare.Spare = WithoutACPI
	old := small
	old.Spare = WithoutPCI
	device := spare
	device.Extra = []string{"-device", "virtio-rng-pci"}
	tests := map[string]struct {
		machine          Machine
		console, results string
	}{
		"run-x86_64.args":      {small, consolePipe, resultsPipe},
		"spare-x86_64.args":    {spare, consolePipe, resultsPipe},
		"old-x86_64.args":      {old, consolePipe, resultsPipe},
		"device-x86_64.args":   {device, consolePipe, resultsPipe},
		"run-i386.args":        {full, consolePipe, resultsPipe},
		"interact-x86_64.args": {small, consoleStdio, resultsNone},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			args, err := tt.machine.args(tt.console, tt.results)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, args)
		})
	}
	golden(t, "probe.args", probeArgs("kvm"))

	if _, err := (Machine{Arch: "arm64"}).args("", ""); err == nil || !strings.Contains(err.Error(), "arm64") {
		t.Errorf("got %v", err)
	}
}

func golden(t *testing.T, name string, args []string) {
	t.Helper()
	got := strings.Join(args, "\n") + "\n"
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s, got:\n%swant:\n%s", name, got, want)
	}
}

// Two machines must not share the words of one kernel command line.
func TestArgsKeepsAppend(t *testing.T) {
	words := make([]string, 1, 8)
	words[0] = "one"
	m := Machine{Arch: "x86_64", Append: words}
	if _, err := m.args("", ""); err != nil {
		t.Fatal(err)
	}
	if len(kernelArgs) != cap(kernelArgs) || words[:2][1] != "" {
		t.Error("args wrote into its input")
	}
}

func TestLimitsFor(t *testing.T) {
	one := LimitsFor(1)
	if one.Silent <= 0 || one.Settle >= one.Silent || one.Silent >= one.Progress || one.Progress >= one.Total {
		t.Errorf("limits make no sense: %+v", one)
	}
	tests := map[float64]float64{0: 1, 0.1: 1, 1: 1, 2.5: 2.5, 20: 20, 1e9: 20}
	for slowdown, factor := range tests {
		got := LimitsFor(slowdown)
		want := time.Duration(factor * float64(one.Progress))
		if got.Progress != want || got.Total != time.Duration(factor*float64(one.Total)) {
			t.Errorf("slowdown %v: %+v", slowdown, got)
		}
	}
}
