// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The logs are whole consoles of a 6.1 kernel: boots that ended well, panics by what was
// given to the kernel, oopses by a module made for it.
var consoleLogs = map[string]Finding{
	"clean.log":           {},
	"hung-softlockup.log": {Outcome: Hung, Line: "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [init:1]"},
	"oops-bug.log":        {Outcome: Oops, Line: "kernel BUG at /build/oops.c:7!", KernelBad: true},
	"oops-divide.log":     {Outcome: Oops, Line: "divide error: 0000 [#1] SMP", KernelBad: true},
	"oops-gpf.log":        {Outcome: Oops, Line: "general protection fault, probably for non-canonical address 0xdead000000000000: 0000 [#1] SMP", KernelBad: true},
	"oops-null.log":       {Outcome: Oops, Line: "BUG: kernel NULL pointer dereference, address: 0000000000000008", KernelBad: true},
	"panic-badinit.log":   {Outcome: Panic, Line: "Kernel panic - not syncing: No working init found.  Try passing init= option to kernel. See Linux Documentation/admin-guide/init.rst for guidance."},
	"panic-initsegv.log":  {Outcome: Panic, Line: "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b"},
	"panic-noinitrd.log":  {Outcome: Panic, Line: "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"},
	"panic-oom.log":       {Outcome: Panic, Line: "Kernel panic - not syncing: System is deadlocked on memory"},
	"panic-sysrq.log":     {Outcome: Panic, Line: "Kernel panic - not syncing: sysrq triggered crash", KernelBad: true},
}

func readConsole(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/console", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClassifyLogs(t *testing.T) {
	files, err := os.ReadDir("testdata/console")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			want, ok := consoleLogs[f.Name()]
			if !ok {
				t.Fatal("a console log without an expectation")
			}
			got, found := classify(readConsole(t, f.Name()))
			if found != (want.Outcome != "") || found && got.Next == "" {
				t.Errorf("found %v, next %q", found, got.Next)
			}
			got.Next = ""
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
	if len(files) != len(consoleLogs) {
		t.Errorf("%d logs, %d expectations", len(files), len(consoleLogs))
	}
}

// Lines as other kernels print them, and lines that look alike.
func TestClassifyLines(t *testing.T) {
	tests := map[string]struct {
		want      Outcome
		kernelBad bool
	}{
		"Unable to handle kernel NULL pointer dereference at 0000000000000008 RIP: ": {Oops, true},
		"<1>BUG: unable to handle kernel paging request at virtual address f8000000": {Oops, true},
		"Oops: 0002 [1] SMP ":                         {Oops, true},
		"<0>general protection fault: 0000 [#1] SMP ": {Oops, true},
		"Oops: general protection fault, probably for address 0x1: 0000 [#1] SMP NOPTI":   {Oops, true},
		"Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)":  {Panic, false},
		"Kernel panic - not syncing: Fatal exception in interrupt":                        {Panic, true},
		"Kernel panic: Aiee, killing interrupt handler!":                                  {Panic, true},
		"Kernel panic - not syncing: No init found.  Try passing init= option to kernel.": {Panic, false},
		"init: echo[    1.5] Kernel panic - not syncing: stuck":                           {Panic, true},
		"BUG: soft lockup - CPU#0 stuck for 10s! [umount:312]":                            {Hung, false},
		"INFO: task umount:312 blocked for more than 120 seconds.":                        {Hung, false},
		"INFO: rcu_sched self-detected stall on CPU":                                      {Hung, false},
		"Kernel command line: console=ttyS0 panic=1 oops=panic no_timer_check":            {},
		"WARNING: CPU: 0 PID: 1 at fs/namespace.c:1 foo+0x1/0x2":                          {},
		"umounttest[1]: segfault at 0 ip 0 sp 0 error 4":                                  {},
		"traps: umounttest[60] general protection fault ip:401000 sp:7ffc error:0":        {},
		"panic: runtime error: index out of range [3] with length 3":                      {},
		"Lustre: setting import probe-MDT0000_UUID INACTIVE by administrator request":     {},
	}
	for line, tt := range tests {
		f, _ := classify([]byte("before\n" + line + "\r\nafter\n"))
		if f.Outcome != tt.want || f.KernelBad != tt.kernelBad {
			t.Errorf("%q: got %q, kernel bad %v", line, f.Outcome, f.KernelBad)
		}
	}
}

// The first report counts; a warning of the watchdog gives way to it.
func TestClassifyOrder(t *testing.T) {
	lockup := "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [init:1]\n"
	oops := "[    1.277216] Oops: 0002 [#1] SMP\n"
	panics := "[    1.291194] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n"
	tests := map[string]Outcome{
		oops + panics: Oops, panics + oops: Panic, lockup + oops: Oops, lockup + lockup: Hung,
		strings.TrimSpace(panics): Panic,
	}
	for text, want := range tests {
		if f, _ := classify([]byte(text)); f.Outcome != want {
			t.Errorf("%q: got %q", text, f.Outcome)
		}
	}
}

// How the bytes arrive must not matter, and no guest may make us keep it all.
func FuzzConsole(f *testing.F) {
	for _, name := range []string{"clean.log", "oops-gpf.log"} {
		b := readConsole(f, name)
		f.Add(b[max(0, len(b)-3000):], 7)
	}
	f.Add([]byte("Kernel panic - not syncing: \xff\x1b[2J\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		whole, _ := classify(b)
		var c consoleText
		for part := range slices.Chunk(bytes.Clone(b), max(1, n%5000)) {
			c.write(part)
			if len(c.part) > maxLine || len(c.tail) > 2*tailBytes {
				t.Fatalf("keeps %d and %d bytes", len(c.part), len(c.tail))
			}
		}
		c.end()
		if c.finding != whole {
			t.Errorf("in parts %+v, whole %+v", c.finding, whole)
		}
		if text := c.text(); !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\r\x7f\x00") || len(text) > 3*tailBytes {
			t.Errorf("text %q", text)
		}
	})
}

// classify finds the first sign of a panic or oops in a console's text, or else the first
// warning of the kernel's watchdogs. ok is false where the console is clean.
func classify(console []byte) (f Finding, ok bool) {
	var c consoleText
	c.write(console)
	c.end()
	return c.finding, c.finding.Outcome != ""
}
