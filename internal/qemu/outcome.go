// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"fmt"
	"strings"
	"time"
)

// Outcome is what became of a boot.
type Outcome string

const (
	Done        Outcome = "done"          // the guest said so, its events are complete
	NotStarted  Outcome = "did not start" // QEMU refused, in its own words
	Died        Outcome = "QEMU died"     // QEMU ended with an error while the guest ran
	Silent      Outcome = "silent"        // not one byte on the console
	Panic       Outcome = "panic"
	Oops        Outcome = "oops"
	Hung        Outcome = "hung"         // the console went quiet, no event came
	Chattering  Outcome = "chattering"   // the console goes on, no event comes
	LostResults Outcome = "lost results" // the events have a gap or are no events
	EndedEarly  Outcome = "ended early"  // the guest powered off without a done
	TimedOut    Outcome = "timed out"    // events came, but not to their end in time
)

// next is the advice for each outcome where the console gives no better one.
var next = map[Outcome]string{
	NotStarted:  "see QEMU's own words above; `ovzpatch doctor` checks what this machine has",
	Died:        "see QEMU's own words above; if the host ran out of memory, stop other work or give the guest less, then repeat",
	Silent:      "make sure the kernel is an x86 bzImage with CONFIG_SERIAL_8250_CONSOLE=y, and that `ovzpatch doctor` shows an accelerator that works",
	Panic:       "read the console from its first \"Kernel panic\" on: the kernel is at fault",
	Oops:        "read the console from the first oops on: the kernel is at fault, unless the trace starts in the probe module",
	Hung:        "see what the console last said; boot the same kernel with `ovzpatch shell` and go on by hand",
	Chattering:  "see what the console repeats; boot the same kernel with `ovzpatch shell` and go on by hand",
	LostResults: "the second serial port lost or mangled data: repeat; if it stays, umounttest and ovzpatch are of different versions, build both again",
	EndedEarly:  "umounttest ended, or the machine was reset, before the last event: read the end of the console",
	TimedOut:    "the guest works but too slowly: raise the time limit, or run it where fewer jobs share the processor",
}

// BootError tells that a boot did not come to its done.
type BootError struct {
	Outcome Outcome
	Kernel  string        // the image that was booted
	After   time.Duration // from the start of QEMU
	Line    string        // the console line that decided it, "" when none did
	// KernelBad says that the kernel misbehaved; otherwise the harness broke, or nobody can tell.
	KernelBad   bool
	ConsoleTail string // the last lines of the console
	ConsolePath string // file with the whole console, "" when none was kept
	Next        string // what to do now
	Err         error  // what QEMU or the event stream said, nil when nothing
}

func (e *BootError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "boot %s: %s after %.1fs", e.Kernel, e.Outcome, e.After.Seconds())
	if e.Line != "" {
		fmt.Fprintf(&b, ": %s", e.Line)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if t := strings.TrimSpace(lastLines(e.ConsoleTail, 12)); t != "" {
		fmt.Fprintf(&b, "\nend of the console:\n%s", t)
	}
	if e.ConsolePath != "" {
		fmt.Fprintf(&b, "\nwhole console: %s", e.ConsolePath)
	}
	fmt.Fprintf(&b, "\nnext: %s", e.Next)
	return b.String()
}

// Unwrap returns what QEMU (a *command.Error) or the event stream said.
func (e *BootError) Unwrap() error { return e.Err }

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
