// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
)

// override matches the patch's message; the id is the kernel's name for the container.
var override = regexp.MustCompile(`^Forced umount of lustre fs is not allowed inside container \(([^()]*)\)\. Overriding MNT_FORCE flag\.$`)

// inactive matches what Lustre and the probe log when an import becomes inactive.
var inactive = regexp.MustCompile(`^Lustre: setting import \S+ INACTIVE by administrator request$`)

// warning is the level of the message. At the default loglevel it reaches the console, but no user's terminal.
const warning = 4

// expected matches lines that some kernels write during a case without the port: a rate limit reports that it dropped
// lines, and OpenVZ that a VE began or ended.
var expected = regexp.MustCompile(`callbacks suppressed|messages suppressed|^(CT|VE): \d+: `)

// named reports whether a line is about umounts or Lustre.
func named(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "umount") || strings.Contains(text, "lustre")
}

// odd returns the first line of the kernel that no case explains. lustre is for real Lustre, without the probe.
func odd(records []kmsg.Record, lustre bool) string {
	for _, r := range records {
		text := strings.TrimRight(r.Text, "\n")
		// The kernel removes one line end only, so a second one leaves an empty line.
		if r.Kernel() && text != r.Text && override.MatchString(text) {
			return r.Text
		}
		if lustre && lustres.MatchString(text) {
			continue
		}
		if r.Kernel() && !r.Trouble() && !override.MatchString(text) && !inactive.MatchString(text) && !expected.MatchString(text) {
			return text
		}
	}
	return ""
}

// logLines is how many lines of the kernel's log a result may have.
const logLines = 8

// evidence fills in what the kernel's log shows, and returns the lines that show it. It ignores lines that user space
// wrote.
func evidence(records []kmsg.Record, seen *guest.Seen) []string {
	var ids, lines []string
	for _, r := range records {
		if !r.Kernel() {
			continue
		}
		text := strings.TrimRight(r.Text, "\n")
		m := override.FindStringSubmatch(text)
		switch {
		case m != nil:
			seen.Messages++
			if level := strconv.Itoa(r.Level); r.Level != warning && !strings.Contains(seen.Level, level) {
				seen.Level += level
			}
			if !slices.Contains(ids, m[1]) {
				ids = append(ids, m[1])
			}
		case inactive.MatchString(text):
			seen.Inactive++
		case r.Trouble():
			if seen.Trouble == "" {
				seen.Trouble = text
			}
		// A line that only resembles the message does not count, but is worth showing.
		case !strings.Contains(text, "Forced umount"):
			continue
		}
		if len(lines) < logLines {
			lines = append(lines, text)
		}
	}
	seen.ID = strings.Join(ids, ",")
	return lines
}
