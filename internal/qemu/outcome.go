// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"fmt"
	"strings"
	"time"
)

// Outcome says how a boot ended.
type Outcome string

const (
	Done        Outcome = "done"          // the guest said so, and its events are complete
	NotStarted  Outcome = "did not start" // QEMU refused, in its own words
	Died        Outcome = "QEMU died"     // QEMU ended with an error while the guest ran
	Silent      Outcome = "silent"        // not one byte on the console
	Panic       Outcome = "panic"
	Oops        Outcome = "oops"
	Hung        Outcome = "hung"         // the console went quiet, no event came
	Chattering  Outcome = "chattering"   // the console goes on, but no event comes
	LostResults Outcome = "lost results" // the events have a gap, or are not events
	EndedEarly  Outcome = "ended early"  // the guest powered off without a done
	TimedOut    Outcome = "timed out"    // events came, but the last one did not come in time
)

// next is the advice for each outcome, unless the console has better advice.
var next = map[Outcome]string{
	NotStarted:  "see QEMU's own message above; `ovzpatch doctor` checks what this machine has",
	Died:        "see QEMU's own message above; if the host ran out of memory, stop other work or give the guest less, then repeat",
	Silent:      "make sure that the kernel is an x86 bzImage with CONFIG_SERIAL_8250_CONSOLE=y, and that `ovzpatch doctor` shows a working accelerator",
	Panic:       "read the console from its first \"Kernel panic\" on: the kernel is at fault",
	Oops:        "read the console from the first oops on: the kernel is at fault, unless the trace starts in the probe module",
	Hung:        "read the end of the console; boot the same kernel with `ovzpatch shell` and continue by hand",
	Chattering:  "see what the console repeats; boot the same kernel with `ovzpatch shell` and continue by hand",
	LostResults: "the second serial port lost or mangled data: repeat; if this happens again, umounttest and ovzpatch may have different versions: build both again",
	EndedEarly:  "umounttest ended, or the machine was reset, before the last event: read the end of the console",
	TimedOut:    "the guest works, but too slowly: raise the time limit, or run it where fewer jobs share the processor",
}

// BootError means that a boot did not reach its done.
type BootError struct {
	Outcome Outcome
	Kernel  string        // the image that was booted
	After   time.Duration // from the start of QEMU
	Line    string        // the console line that decided it, or ""
	// KernelBad means that the kernel misbehaved; otherwise the harness broke, or it is unknown.
	KernelBad   bool
	ConsoleTail string // the last lines of the console
	ConsolePath string // file with the whole console, or "" if none was kept
	Next        string // what to do now
	Err         error  // what QEMU or the event stream said, or nil
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
