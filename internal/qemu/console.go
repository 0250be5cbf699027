// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"bytes"
	"regexp"
	"strings"

	"ovzpatch/internal/terminal"
)

const (
	// tailBytes of the console are kept for people.
	tailBytes = 16 << 10
	// maxLine bounds what is looked at of one line: the guest is untrusted.
	maxLine = 1 << 10
)

// Finding is a console line that tells what went wrong.
type Finding struct {
	Outcome   Outcome // Panic, Oops, or Hung for a warning of the kernel's own watchdogs
	Line      string  // without its time stamp
	KernelBad bool    // false where what we gave the kernel is at fault
	Next      string  // what to do now
}

// signatures are tried in this order on every line; the special comes before the general.
// Substrings, not whole lines: user space writes to the same console without newlines.
var signatures = []struct {
	outcome Outcome
	re      *regexp.Regexp
	harness string // what to do, where not the kernel is at fault
}{
	{Panic, regexp.MustCompile(`Kernel panic - not syncing: (VFS: )?Unable to mount root fs`),
		"the kernel found no initramfs it can read: give one, for this kernel's compression (or none), and make sure it has CONFIG_BLK_DEV_INITRD=y"},
	{Panic, regexp.MustCompile(`Kernel panic - not syncing: (No (working )?init found|Requested init .* failed)`),
		"the initramfs has no /init this kernel can start: build umounttest for the kernel's architecture"},
	{Panic, regexp.MustCompile(`Kernel panic - not syncing: Attempted to kill init`),
		"/init of the initramfs ended or crashed: read what it last said on the console"},
	{Panic, regexp.MustCompile(`Kernel panic - not syncing: (Out of memory|System is deadlocked on memory)`),
		"the guest has too little memory for this initramfs: give it more"},
	{Panic, regexp.MustCompile(`Kernel panic - not syncing: IO-APIC \+ timer doesn't work`),
		"the host was too busy to deliver the guest's timer interrupts: repeat when it is idle"},
	{Panic, regexp.MustCompile(`Kernel panic - not syncing|Kernel panic: `), ""},
	{Oops, regexp.MustCompile(`\b(Oops|general protection fault|invalid opcode|divide error|double fault|stack segment|invalid TSS|bounds|int3|alignment check)\b.*: [0-9a-f]{4} \[#?\d+\]`), ""},
	{Oops, regexp.MustCompile(`BUG: unable to handle|BUG: kernel NULL pointer|Unable to handle kernel (NULL pointer|paging request)`), ""},
	{Oops, regexp.MustCompile(`kernel BUG at |BUG: KASAN: |BUG: KFENCE: |kernel stack overflow|PANIC: double fault`), ""},
	{Hung, regexp.MustCompile(`BUG: soft lockup|NMI watchdog: |INFO: task .* blocked for more than|detected stalls? on CPU|self-detected stall`), ""},
}

// prefix is what the kernel puts before a message on the console: level and time.
var prefix = regexp.MustCompile(`^(<\d+>)?(\[ *\d+\.\d+\](\[ *[TC]\d+\])? )?`)

// consoleText is a console as it grows.
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

// end looks at the line that is complete now.
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

// fatal says that the kernel cannot go on, or must not be believed any more.
func (c *consoleText) fatal() bool {
	return c.finding.Outcome == Panic || c.finding.Outcome == Oops
}

// text returns the last lines as people read them.
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

// printable is what a guest wrote, fit for a terminal. A serial console ends its lines with
// CR LF, which is no sign of anything.
func printable(p []byte) string {
	return terminal.Text(strings.ReplaceAll(strings.ToValidUTF8(string(p), "\uFFFD"), "\r", ""))
}
