// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"strconv"
	"strings"
)

// hunks reads all hunks that follow, and returns how many old and new lines they hold.
func (s *scanner) hunks(sec *section) (old, new int, err error) {
	body := body{s: s, start: s.pos}
	for strings.HasPrefix(s.peek(0), "@@ -") {
		header := s.peek(0)
		oldLines, newLines, ok := hunkCounts(header)
		if !ok {
			return 0, 0, s.errorf("the hunk's header does not have the form @@ -line,count +line,count @@")
		}
		old, new = old+oldLines, new+newLines
		sec.hunkLines = append(sec.hunkLines, s.line)
		body.take(header)
		if err := s.hunk(&body, s.line-1, oldLines, newLines); err != nil {
			return 0, 0, err
		}
	}
	sec.body = body.text()
	if sec.crlf {
		sec.body = strings.ReplaceAll(sec.body, "\r\n", "\n")
	}
	return old, new, nil
}

// hunk reads the lines of one hunk, whose header is the patch's line start.
func (s *scanner) hunk(body *body, start, oldLeft, newLeft int) error {
	for oldLeft > 0 || newLeft > 0 {
		line := s.peek(0)
		if line == "" {
			// A mailer or editor removed empty lines at the end of the text.
			if oldLeft != newLeft || oldLeft > 3 {
				return s.errorf("the patch ends inside a hunk: %d old and %d new lines are missing", oldLeft, newLeft)
			}
			body.add(strings.Repeat(" \n", oldLeft))
			break
		}
		switch line[0] {
		case '-':
			oldLeft--
		case '+':
			newLeft--
		case '\\':
			if s.afterEmpty() {
				return s.errorf("an empty line must have a newline")
			}
		case '\t', ' ', '\n', '\r':
			oldLeft--
			newLeft--
		default:
			return s.errorf("the hunk that starts at line %d is cut off: %d old and %d new lines are missing; a long line may have been wrapped",
				start, max(oldLeft, 0), max(newLeft, 0))
		}
		if oldLeft < 0 || newLeft < 0 {
			return s.errorf("the hunk that starts at line %d counts its lines wrongly", start)
		}
		if line[0] == '\t' {
			body.add(" ") // an editor removed the sign
		}
		body.take(line)
	}
	if line := s.peek(0); strings.HasPrefix(line, "\\ ") {
		if s.afterEmpty() {
			return s.errorf("an empty line must have a newline")
		}
		body.take(line)
	}
	if line := s.peek(0); isStray(line) {
		return s.errorf("the hunk that starts at line %d counts its lines wrongly: one more follows", start)
	}
	return nil
}

// body is the text of a section's hunks. It is the patch's own text until a line needs a
// correction, and a copy from there on.
type body struct {
	s     *scanner
	start int
	fixed strings.Builder // empty before the first correction
}

// take takes the line that is next.
func (b *body) take(line string) {
	if b.fixed.Len() > 0 {
		b.fixed.WriteString(line)
	}
	b.s.skip(line)
}

// add puts in text that the patch lacks.
func (b *body) add(text string) {
	if b.fixed.Len() == 0 {
		b.fixed.WriteString(b.s.text[b.start:b.s.pos])
	}
	b.fixed.WriteString(text)
}

func (b *body) text() string {
	if b.fixed.Len() > 0 {
		return b.fixed.String()
	}
	return b.s.text[b.start:b.s.pos]
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
