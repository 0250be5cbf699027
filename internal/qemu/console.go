// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"bytes"
	"regexp"
	"strings"

	"ovzpatch/internal/terminal"
)

const (
	// tailBytes is how much of the console is kept for people to read.
	tailBytes = 16 << 10
	// maxLine limits how much of one line is read: the guest is untrusted.
	maxLine = 1 << 10
)

// Finding is a console line that says what went wrong.
type Finding struct {
	Outcome   Outcome // Panic, Oops, or Hung for a warning of the kernel's own watchdogs
	Line      string  // without its timestamp
	KernelBad bool    // false if what we gave the kernel is at fault
	Next      string  // what to do now
}

// signatures are tried in this order on every line, special ones before general ones. They match
// parts of lines: user space writes to the same console without newlines.
var signatures = []struct {
	outcome Outcome
	re      *regexp.Regexp
	harness string // what to do if the kernel is not at fault
}{
	{
		Panic, regexp.MustCompile(`Kernel panic - not syncing: (VFS: )?Unable to mount root fs`),
		"the kernel found no initramfs that it can read: use one with a compression that this kernel supports (or none), and make sure that the kernel has CONFIG_BLK_DEV_INITRD=y",
	},
	{
		Panic, regexp.MustCompile(`Kernel panic - not syncing: (No (working )?init found|Requested init .* failed)`),
		"the initramfs has no /init that this kernel can start: build umounttest for the kernel's architecture",
	},
	{
		Panic, regexp.MustCompile(`Kernel panic - not syncing: Attempted to kill init`),
		"/init of the initramfs ended or crashed: read its last lines on the console",
	},
	{
		Panic, regexp.MustCompile(`Kernel panic - not syncing: (Out of memory|System is deadlocked on memory)`),
		"the guest has too little memory for this initramfs: give the guest more",
	},
	{
		Panic, regexp.MustCompile(`Kernel panic - not syncing: IO-APIC \+ timer doesn't work`),
		"the host was too busy to deliver the guest's timer interrupts: repeat when it is idle",
	},
	{Panic, regexp.MustCompile(`Kernel panic - not syncing|Kernel panic: `), ""},
	{Oops, regexp.MustCompile(`\b(Oops|general protection fault|invalid opcode|divide error|double fault|stack segment|invalid TSS|bounds|int3|alignment check)\b.*: [0-9a-f]{4} \[#?\d+\]`), ""},
	{Oops, regexp.MustCompile(`BUG: unable to handle|BUG: kernel NULL pointer|Unable to handle kernel (NULL pointer|paging request)`), ""},
	{Oops, regexp.MustCompile(`kernel BUG at |BUG: KASAN: |BUG: KFENCE: |kernel stack overflow|PANIC: double fault`), ""},
	{Hung, regexp.MustCompile(`BUG: soft lockup|NMI watchdog: |INFO: task .* blocked for more than|detected stalls? on CPU|self-detected stall`), ""},
}

// prefix matches what the kernel puts in front of a message on the console: level and time.
var prefix = regexp.MustCompile(`^(<\d+>)?(\[ *\d+\.\d+\](\[ *[TC]\d+\])? )?`)

// consoleText collects a console while it grows.
type consoleText struct {
	size    int64 // bytes so far
	finding Finding
	tail    []byte
	part    []byte // unfinished line, at most maxLine
}

func (c *consoleText) write(p []byte) {
	c.size += int64(len(p))
	c.tail = append(c.tail, p...)
	if len(c.tail) > 2*tailBytes {
		c.tail = bytes.Clone(c.tail[len(c.tail)-tailBytes:])
	}
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		c.part = append(c.part, line[:min(len(line), maxLine-len(c.part))]...)
		if whole {
			c.end()
		}
		p = rest
	}
}

// end examines the line that is now complete.
func (c *consoleText) end() {
	line := strings.ToValidUTF8(string(c.part), "\uFFFD")
	c.part = c.part[:0]
	if c.fatal() {
		return
	}
	for _, s := range signatures {
		if !s.re.MatchString(line) {
			continue
		}
		if s.outcome == Hung && c.finding.Outcome == Hung {
			return
		}
		c.finding = Finding{
			Outcome: s.outcome, Line: prefix.ReplaceAllString(strings.TrimSpace(line), ""),
			KernelBad: s.harness == "" && s.outcome != Hung, Next: s.harness,
		}
		if s.harness == "" {
			c.finding.Next = next[s.outcome]
		}
		return
	}
}

// fatal reports whether the kernel cannot go on, or must not be trusted any more.
func (c *consoleText) fatal() bool {
	return c.finding.Outcome == Panic || c.finding.Outcome == Oops
}

// text returns the last lines for people to read.
func (c *consoleText) text() string {
	t := c.tail
	if len(t) > tailBytes {
		t = t[len(t)-tailBytes:]
	}
	if int64(len(t)) < c.size {
		if i := bytes.IndexByte(t, '\n'); i >= 0 {
			t = t[i+1:]
		}
	}
	return printable(t)
}

// printable makes what a guest wrote safe for a terminal. A serial console always ends its lines
// with CR LF, so that means nothing.
func printable(p []byte) string {
	return terminal.Text(strings.ReplaceAll(strings.ToValidUTF8(string(p), "\uFFFD"), "\r", ""))
}
