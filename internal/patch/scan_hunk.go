// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"strconv"
	"strings"
)

// hunks reads all hunks that follow, and returns how many old and new lines they hold.
func (s *scanner) hunks(sec *section) (old, new int, err error) {
	start := s.pos
	// fixed gets the corrected text once a line needs correction; it is empty before that.
	var fixed strings.Builder
	fix := func(line string) {
		if fixed.Len() == 0 {
			fixed.WriteString(s.text[start:s.pos])
		}
		fixed.WriteString(line)
	}
	for strings.HasPrefix(s.peek(0), "@@ -") {
		header := s.peek(0)
		oldLeft, newLeft, ok := hunkCounts(header)
		if !ok {
			return 0, 0, s.errorf("the hunk's header does not have the form @@ -line,count +line,count @@")
		}
		old, new = old+oldLeft, new+newLeft
		sec.hunkLines = append(sec.hunkLines, s.line)
		if fixed.Len() > 0 {
			fixed.WriteString(header)
		}
		s.skip(header)
		for oldLeft > 0 || newLeft > 0 {
			line := s.peek(0)
			if line == "" {
				// A mailer or editor removed empty lines at the end of the text.
				if oldLeft != newLeft || oldLeft > 3 {
					return 0, 0, s.errorf("the patch ends inside a hunk: %d old and %d new lines are missing", oldLeft, newLeft)
				}
				for ; oldLeft > 0; oldLeft-- {
					fix(" \n")
				}
				break
			}
			add := line
			switch line[0] {
			case '-':
				oldLeft--
			case '+':
				newLeft--
			case '\\':
				if s.afterEmpty() {
					return 0, 0, s.errorf("an empty line must have a newline")
				}
			case '\t':
				fix(" " + line)
				add = ""
				fallthrough
			case ' ', '\n', '\r':
				oldLeft--
				newLeft--
			default:
				return 0, 0, s.errorf("the hunk that starts at line %d is cut off: %d old and %d new lines are missing; a long line may have been wrapped",
					sec.hunkLines[len(sec.hunkLines)-1], max(oldLeft, 0), max(newLeft, 0))
			}
			if oldLeft < 0 || newLeft < 0 {
				return 0, 0, s.errorf("the hunk that starts at line %d counts its lines wrongly", sec.hunkLines[len(sec.hunkLines)-1])
			}
			if fixed.Len() > 0 {
				fixed.WriteString(add)
			}
			s.skip(line)
		}
		if line := s.peek(0); strings.HasPrefix(line, "\\ ") {
			if s.afterEmpty() {
				return 0, 0, s.errorf("an empty line must have a newline")
			}
			if fixed.Len() > 0 {
				fixed.WriteString(line)
			}
			s.skip(line)
		}
		if line := s.peek(0); isStray(line) {
			return 0, 0, s.errorf("the hunk that starts at line %d counts its lines wrongly: one more follows", sec.hunkLines[len(sec.hunkLines)-1])
		}
	}
	sec.body = s.text[start:s.pos]
	if fixed.Len() > 0 {
		sec.body = fixed.String()
	}
	if sec.crlf {
		sec.body = strings.ReplaceAll(sec.body, "\r\n", "\n")
	}
	return old, new, nil
}

// afterEmpty reports whether the hunk's line before this one has nothing after its sign.
func (s *scanner) afterEmpty() bool { return s.text[s.pos-3] == '\n' }

// isStray reports whether a line belongs to a hunk but stands after its end. Dropping such a
// line, as other tools do, would apply only half of a hand-edited patch.
func isStray(line string) bool {
	if line == "" || !strings.Contains("+- ", line[:1]) || strings.TrimSpace(line) == "" {
		return false
	}
	return !hasAnyPrefix(line, []string{"--- ", "-- ", "--\n", "--\r\n", "---\n", "+++ "})
}

func isHunk(line string) bool {
	_, _, ok := hunkCounts(line)
	return ok
}

// hunkCounts reads the two counts of a hunk's header.
func hunkCounts(line string) (old, new int, ok bool) {
	ranges, _, ok := strings.Cut(strings.TrimPrefix(line, "@@ -"), " @@")
	if !ok {
		return 0, 0, false
	}
	oldRange, newRange, ok := strings.Cut(ranges, " +")
	if !ok {
		return 0, 0, false
	}
	old, oldOK := rangeCount(oldRange)
	new, newOK := rangeCount(newRange)
	return old, new, oldOK && newOK
}

// rangeCount reads "line,count" or "line", whose count is 1.
func rangeCount(s string) (int, bool) {
	start, count, found := strings.Cut(s, ",")
	// 31 bits: sums of line numbers must not overflow.
	if _, err := strconv.ParseUint(start, 10, 31); err != nil {
		return 0, false
	}
	if !found {
		return 1, true
	}
	n, err := strconv.ParseUint(count, 10, 31)
	return int(n), err == nil
}
