// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/guest"
)

// quick are limits that make the tests of hangs bearable and leave a boot enough.
func quick(a Accel) Limits {
	l := LimitsFor(a.Slowdown)
	l.Progress = l.Settle * 2
	l.Settle /= 2
	return l
}

func TestRunOutcomes(t *testing.T) {
	tests := map[string]struct {
		act       string
		change    func(*Machine)
		want      Outcome
		line      string // part of BootError.Line
		kernelBad bool
		events    int // at least
		says      string
	}{
		"done":                      {act: "done", want: Done, events: 3},
		"done, but stays on":        {act: "done-hang", want: Done, events: 3},
		"done, after much output":   {act: "flood", want: Done, events: 3},
		"crash after done":          {act: "done-crash", want: Panic, line: "sysrq triggered crash", kernelBad: true, events: 3},
		"crash":                     {act: "crash", want: Panic, line: "sysrq triggered crash", kernelBad: true, events: 1},
		"crash in an event's line":  {act: "half-line-crash", want: Panic, kernelBad: true, events: 1},
		"init ends":                 {act: "exit", want: Panic, line: "Attempted to kill init", events: 1, says: "/init of the initramfs ended"},
		"power off without a done":  {act: "early", want: EndedEarly, events: 1, says: "never said it was done"},
		"a number is missing":       {act: "gap", want: LostResults, events: 1, says: "events were lost"},
		"quiet":                     {act: "hang", want: Hung, events: 1},
		"console without an event":  {act: "chatter", want: Chattering, events: 1},
		"events without an end":     {act: "notes", change: func(m *Machine) { m.Limits.Total, m.Accel.Icount = m.Limits.Progress, false }, want: TimedOut, events: 2},
		"no initramfs":              {change: func(m *Machine) { m.Initrd = "" }, want: Panic, line: "VFS: Unable to mount root fs", says: "found no initramfs"},
		"initramfs without an init": {change: func(m *Machine) { m.Initrd = m.Kernel }, want: Panic, says: "no initramfs"},
		"kernel without a word":     {change: func(m *Machine) { m.Kernel = stuckKernel(t, m.Kernel); m.Limits.Silent = m.Limits.Settle }, want: Silent, says: "CONFIG_SERIAL_8250_CONSOLE"},
		"kernel that is not there":  {change: func(m *Machine) { m.Kernel = "/no/such/kernel" }, want: NotStarted, says: "/no/such/kernel"},
		"memory it cannot have":     {change: func(m *Machine) { m.MemoryMiB = 1 << 40 }, want: NotStarted, says: "memory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := testMachine(t, tt.act)
			m.Limits = quick(m.Accel)
			if tt.change != nil {
				tt.change(&m)
			}
			var live []guest.Event
			m.Event = func(e guest.Event) { live = append(live, e) }
			boot, err := m.Run(t.Context())
			t.Logf("%.1fs: %v", boot.Elapsed.Seconds(), err)
			if len(boot.Events) < tt.events || len(live) != len(boot.Events) {
				t.Errorf("%d events, %d of them live, want %d", len(boot.Events), len(live), tt.events)
			}
			log, err2 := os.ReadFile(m.ConsoleLog)
			if sum := sha256.Sum256(log); err2 != nil || len(log) == 0 && tt.want != Silent && tt.want != NotStarted || boot.ConsoleSHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("the console's digest %s is not that of its log, %x: %v", boot.ConsoleSHA256, sum, err2)
			}
			if tt.want == Done {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var be *BootError
			if !errors.As(err, &be) {
				t.Fatalf("got %v, want a *BootError", err)
			}
			if be.Outcome != tt.want || be.KernelBad != tt.kernelBad || !strings.Contains(be.Line, tt.line) {
				t.Errorf("got %q, kernel bad %v, line %q", be.Outcome, be.KernelBad, be.Line)
			}
			if be.Next == "" || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error does not say %q, or not what to do: %v", tt.says, err)
			}
			if log, err := os.ReadFile(m.ConsoleLog); err != nil || !strings.Contains(string(log), lastLines(be.Line, 1)) {
				t.Errorf("console log: %v", err)
			}
		})
	}
}

// stuckKernel copies a bzImage and makes its first instruction, at 0x200, jump to itself.
func stuckKernel(t *testing.T, kernel string) string {
	t.Helper()
	b, err := os.ReadFile(kernel)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[0x200:], []byte{0xeb, 0xfe})
	name := filepath.Join(t.TempDir(), "stuck")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRunCancelled(t *testing.T) {
	m := testMachine(t, "notes")
	ctx, cancel := context.WithCancel(t.Context())
	m.Event = func(guest.Event) { cancel() }
	start := time.Now()
	_, err := m.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if d := time.Since(start); d > m.Limits.Total && d > time.Minute {
		t.Errorf("it took %v", d)
	}
	if pid := qemuWith(t, m.Initrd); pid != "" {
		t.Errorf("QEMU %s outlived its cancelled Run", pid)
	}
}

// qemuWith returns the process whose arguments name a file of this test.
func qemuWith(t *testing.T, arg string) string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), arg) {
			return filepath.Base(filepath.Dir(f))
		}
	}
	return ""
}

// A console log that cannot be written is the harness's trouble and said as such.
func TestRunConsoleLogFull(t *testing.T) {
	m := testMachine(t, "notes")
	m.ConsoleLog = "/dev/full"
	_, err := m.Run(t.Context())
	var be *BootError
	if err == nil || errors.As(err, &be) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}
