// SPDX-License-Identifier: Apache-2.0

// Package kmsg reads the kernel's log, and separates what the kernel wrote from what user space
// wrote: /dev/kmsg takes lines from anyone who may open it, and only the facility number tells
// them apart.
package kmsg

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Record is one message of the kernel's log.
type Record struct {
	Facility int // 0 is the kernel; user space cannot use 0
	Level    int // 0 (emergency) to 7 (debug)
	// Seq is the record's sequence number; 0 if the kernel has none (before 3.5).
	Seq uint64
	// Time is the time since boot; negative if the kernel does not say it.
	Time time.Duration
	Text string
}

// Kernel reports whether the kernel itself wrote the record. Kernels before 3.5 keep no facility:
// there every line counts as the kernel's.
func (r Record) Kernel() bool { return r.Facility == 0 }

// troubles are what a kernel prints when it finds something wrong with itself. 2.6.18 does not
// start all of these with "BUG:".
var troubles = []string{
	"WARNING: CPU:", "WARNING: at ", "BUG:", "kernel BUG at", "Kernel BUG at", "Oops",
	"Unable to handle kernel", "general protection fault", "Bad page state", "slab error in",
	"Slab corruption", "VFS: Busy inodes after unmount",
	"Kernel panic", "circular locking dependency", "recursive locking", "inconsistent lock state",
	"suspicious RCU usage", "bad unlock balance", "held lock freed", "blocked for more than",
	"lock inversion dependency", "lock order detected", "locks held!", "held when returning to user space",
	"new suspected memory leaks",
	"detected stall", "self-detected stall", "KASAN:", "UBSAN:", "refcount_t:",
}

// trap matches the end of a line that names an exception in the kernel: "invalid opcode: 0000
// [#1]", in 2.6.18 on x86_64 "[1]".
var trap = regexp.MustCompile(`: [0-9a-f]{4} \[#?\d+\]`)

// Trouble reports whether the record is the kernel's report of its own warning, bug, oops,
// locking mistake or stall.
func (r Record) Trouble() bool {
	if !r.Kernel() {
		return false
	}
	for _, t := range troubles {
		if strings.Contains(r.Text, t) {
			return true
		}
	}
	return trap.MatchString(r.Text)
}

// ParseRecord parses one record as read(2) on /dev/kmsg returns it:
//
//	PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,...];TEXT\n KEY=VALUE\n...
func ParseRecord(b []byte) (Record, error) {
	head, rest, ok := bytes.Cut(b, []byte(";"))
	if !ok {
		return Record{}, errors.New("parse kernel log record: no ';' after the prefix")
	}
	fields := strings.Split(string(head), ",")
	if len(fields) < 3 {
		return Record{}, fmt.Errorf("parse kernel log record: the prefix has %d fields, want 3 or more", len(fields))
	}
	priority, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return Record{}, fmt.Errorf("parse kernel log record: priority: %w", err)
	}
	seq, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return Record{}, fmt.Errorf("parse kernel log record: sequence: %w", err)
	}
	// One bit less than a Duration has in nanoseconds: no machine runs that long.
	usec, err := strconv.ParseUint(fields[2], 10, 53)
	if err != nil {
		return Record{}, fmt.Errorf("parse kernel log record: time: %w", err)
	}
	text, _, _ := bytes.Cut(rest, []byte("\n"))
	return Record{
		Facility: int(priority >> 3),
		Level:    int(priority & 7),
		Seq:      seq,
		Time:     time.Duration(usec) * time.Microsecond,
		Text:     unescape(string(text)),
	}, nil
}

// unescape turns the \xNN of /dev/kmsg back into bytes.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if i+4 <= len(s) && s[i:i+2] == `\x` {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// ParseSyslog parses lines as syslog(2) returns them: <PRIORITY>[SECONDS] TEXT, where the time is
// an option of the kernel. A line without a priority continues the line before it; if a full ring
// lost that one, the line is dropped.
func ParseSyslog(b []byte) []Record {
	var out []Record
	for line := range strings.SplitSeq(string(b), "\n") {
		if line == "" {
			continue
		}
		r, ok := parseSyslogLine(line)
		switch {
		case ok:
			out = append(out, r)
		case len(out) > 0:
			out[len(out)-1].Text += "\n" + line
		}
	}
	return out
}

func parseSyslogLine(line string) (Record, bool) {
	if !strings.HasPrefix(line, "<") {
		return Record{}, false
	}
	number, text, ok := strings.Cut(line[1:], ">")
	if !ok {
		return Record{}, false
	}
	priority, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return Record{}, false
	}
	r := Record{Facility: int(priority >> 3), Level: int(priority & 7), Time: -1, Text: text}
	if stamp, rest, ok := strings.Cut(text, "] "); ok && strings.HasPrefix(stamp, "[") {
		if t, ok := parseStamp(strings.TrimLeft(stamp[1:], " ")); ok {
			r.Time, r.Text = t, rest
		}
	}
	return r, true
}

// parseStamp parses SECONDS.MICROSECONDS without floating point.
func parseStamp(s string) (time.Duration, bool) {
	sec, usec, ok := strings.Cut(s, ".")
	if !ok || len(usec) != 6 {
		return 0, false
	}
	a, err := strconv.ParseUint(sec, 10, 32)
	if err != nil {
		return 0, false
	}
	b, err := strconv.ParseUint(usec, 10, 32)
	if err != nil {
		return 0, false
	}
	return time.Duration(a)*time.Second + time.Duration(b)*time.Microsecond, true
}
