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

// override is the patch's message; the id is whatever the kernel calls a container.
var override = regexp.MustCompile(`^Forced umount of lustre fs is not allowed inside container \(([^()]*)\)\. Overriding MNT_FORCE flag\.$`)

// inactive is what Lustre, and the probe, say when an import is taken away.
var inactive = regexp.MustCompile(`^Lustre: setting import \S+ INACTIVE by administrator request$`)

// warning is the level of the message: it reaches the console at the default loglevel, and
// nobody's terminal.
const warning = 4

// expected are lines that come with a case on some kernels and are not the port's: a rate
// limit says that it limited, and OpenVZ that a VE began or ended.
var expected = regexp.MustCompile(`callbacks suppressed|messages suppressed|^(CT|VE): \d+: `)

// named says whether a line is about umounts or Lustre.
func named(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "umount") || strings.Contains(text, "lustre")
}

// odd returns the first line of the kernel's that nobody expects of a case. Lustre is Lustre itself, and not the probe.
func odd(records []kmsg.Record, lustre bool) string {
	for _, r := range records {
		text := strings.TrimRight(r.Text, "\n")
		// The kernel takes one end of a line away, so that this is an empty line more.
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

// logLines is how many lines of the kernel's log a result carries.
const logLines = 8

// evidence fills in what the kernel's log shows and returns the lines that show it. A
// line that user space wrote shows nothing.
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
		// Nearly the message is not the message, but worth showing.
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
