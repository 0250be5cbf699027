// SPDX-License-Identifier: GPL-2.0-only

package patch

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What the host's log must say, with any one conversion between the two. Monitoring of
// hosting nodes looks for it, so not a letter may differ. A kernel with the patch holds
// MessageHead in one piece.
const (
	MessageHead = "Forced umount of lustre fs is not allowed inside container ("
	messageTail = "). Overriding MNT_FORCE flag."
)

var conversion = regexp.MustCompile(`^%[-+ #0]*\d*(\.\d+)?(hh|h|ll|l|z)?[a-zA-Z]+$`)

// message gives the text that a call writes to the log, its adjacent literals joined, and
// the call's name. It is "" when the statement logs nothing that speaks of a forced umount.
func message(t []token) (text, call string) {
	for i := 0; i < len(t); i++ {
		if t[i].text[0] != '"' {
			continue
		}
		text := ""
		for ; i < len(t) && t[i].text[0] == '"'; i++ {
			part, err := strconv.Unquote(t[i].text)
			if err != nil {
				part = strings.Trim(t[i].text, `"`)
			}
			text += part
		}
		if strings.Contains(text, "umount") && strings.Contains(text, "MNT_FORCE") ||
			strings.Contains(text, "Forced umount") {
			return text, t[0].text
		}
	}
	return "", ""
}

// messageProblem compares a message with the documented one. It is "" when they are alike.
func messageProblem(text string) string {
	// The level, where it is a literal: <4> or its newer form with SOH.
	bare := regexp.MustCompile(`^(<[0-7c]>|\x01[0-7c])`).ReplaceAllString(text, "")
	bare = strings.TrimSuffix(bare, "\n")
	head, rest, ok := cutPrefix(bare, MessageHead)
	if !ok {
		return fmt.Sprintf("the message begins %q, the documented one %q", firstDifference(head, MessageHead), MessageHead)
	}
	id, tail, found := strings.Cut(rest, ")")
	if !found || !conversion.MatchString(id) {
		return fmt.Sprintf("the container's id in the message is written as %q; it must be one conversion, as %%u or %%s", id)
	}
	if ")"+tail != messageTail {
		return fmt.Sprintf("the message ends %q, the documented one %q", ")"+tail, messageTail)
	}
	return ""
}

func cutPrefix(s, prefix string) (same, rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, prefix); ok {
		return prefix, rest, true
	}
	return s, "", false
}

// firstDifference is s up to a few letters behind where it differs from want.
func firstDifference(s, want string) string {
	n := 0
	for n < len(s) && n < len(want) && s[n] == want[n] {
		n++
	}
	return s[:min(n+12, len(s))]
}
