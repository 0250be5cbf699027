// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"slices"
	"strings"
)

// section is the text of one file's change, cut out of a patch.
//
// go-gitdiff wants exactly what git writes. Real patches have more: names that git's rules would
// strip wrongly, timestamps of the epoch on files that are not new, CR LF, tabs whose leading
// blank a mailer removed. So the scanner reads the names itself, and passes on a header with only
// what go-gitdiff must know, and a body that go-gitdiff accepts.
type section struct {
	oldName, newName string
	line             int
	hunkLines        []int
	git, crlf        bool
	isNew, isDelete  bool
	head, body       string
}

// scanner goes through the lines of a patch. It counts each hunk's lines, so that a removed line
// "-- x" or a quoted diff in a hunk does not look like a header.
type scanner struct {
	text string
	pos  int  // start of the current line
	line int  // its number, from 1
	cut  bool // the last line has no newline: the text may have been longer
	// want chooses sections by the names in their headers; nil means all.
	want func(raw string) bool
}

// scanError says where and why a patch cannot be read.
type scanError struct {
	line   int
	reason string
}

func (e *scanError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.reason) }

func (s *scanner) errorf(format string, args ...any) error {
	return &scanError{s.line, fmt.Sprintf(format, args...)}
}

// peek returns the n-th line from the current one, with its newline; "" after the end.
func (s *scanner) peek(n int) string {
	pos := s.pos
	for ; ; n-- {
		rest := s.text[pos:]
		end := strings.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		if n == 0 {
			return rest[:end]
		}
		pos += end
	}
}

func (s *scanner) skip(line string) {
	s.pos += len(line)
	s.line++
}

// sections splits a whole patch. The text before the first section is its header.
func (s *scanner) sections() (header string, all []section, err error) {
	first := -1
	for s.pos < len(s.text) {
		start, number, line := s.pos, s.line, s.peek(0)
		var sec section
		switch {
		case strings.HasPrefix(line, "diff --git "):
			sec, err = s.gitSection()
		case strings.HasPrefix(line, "--- ") && strings.HasPrefix(s.peek(1), "+++ ") &&
			strings.HasPrefix(s.peek(2), "@@ -"):
			sec, err = s.plainSection()
		case strings.HasPrefix(line, "*** ") && strings.HasPrefix(s.peek(1), "--- ") &&
			strings.HasPrefix(s.peek(2), "***************"):
			err = s.errorf("context diffs are not supported; make a unified diff with diff -u")
		case strings.HasPrefix(line, "@@ -") && isHunk(line):
			err = s.errorf("this hunk has no file header (--- and +++) before it")
		default:
			s.skip(line)
			continue
		}
		if err == nil {
			err = s.cutOff()
		}
		if s.want != nil && !s.wants(&sec, line) {
			if err != nil {
				// A wanted section may start on the next line.
				s.pos, s.line = start, number
				s.skip(line)
			}
			continue
		}
		if err != nil {
			return "", nil, err
		}
		if first < 0 {
			first = start
		}
		all = append(all, sec)
	}
	if first < 0 && s.want != nil {
		return s.text, nil, nil
	}
	if first < 0 {
		return "", nil, s.nothing()
	}
	return s.text[:first], all, nil
}

// cutOff refuses a section that ends in a line without a newline: the rest of that line is lost.
// ("\ No newline at end of file" is how a patch says that a file has none.) An empty line lost
// nothing. In patches that GNU patch will apply, a context line without its end is accepted, as
// GNU patch accepts it.
func (s *scanner) cutOff() error {
	if !s.cut || s.pos < len(s.text) {
		return nil
	}
	last := s.text[strings.LastIndexByte(s.text[:len(s.text)-1], '\n')+1:]
	if strings.HasPrefix(last, "\\ ") || strings.TrimSpace(last) == "" || s.want != nil && last[0] == ' ' {
		return nil
	}
	return &scanError{s.line - 1, "the patch ends in the middle of this line, which has no newline: it is cut off; get the complete patch"}
}

// wants reports whether a section is wanted, by its names or, if those could not be read, by its
// first line.
func (s *scanner) wants(sec *section, line string) bool {
	if sec.oldName == "" && sec.newName == "" {
		return slices.ContainsFunc(strings.Fields(line), s.want)
	}
	return s.want(sec.oldName) || s.want(sec.newName)
}

// nothing says why a text without any unified diff is not a patch.
func (s *scanner) nothing() error {
	ed, normal := 0, 0
	s.pos, s.line = 0, 1
	for s.pos < len(s.text) {
		line := s.peek(0)
		switch command := strings.TrimRight(line, "\r\n"); {
		case isEdCommand(command):
			ed++
		case isNormalCommand(command):
			normal++
		}
		if ed+normal == 1 {
			break
		}
		s.skip(line)
	}
	switch {
	case ed > 0:
		return s.errorf("ed scripts are not supported, because they do not show the text that they change; make a unified diff with diff -u")
	case normal > 0:
		return s.errorf("diffs without context are not supported; make a unified diff with diff -u")
	}
	s.line = 1
	return s.errorf("this text contains no unified diff")
}

// isEdCommand recognizes the commands that diff -e writes: 12a, 3,4c, 7d.
func isEdCommand(s string) bool {
	n := strings.Trim(s, "0123456789,")
	return len(s) > 1 && len(n) == 1 && strings.HasSuffix(s, n) && strings.Contains("acd", n) && s[0] != ','
}

// isNormalCommand recognizes the commands of a plain diff: 12a13, 3,4c5, 7,8d6.
func isNormalCommand(s string) bool {
	if s == "" || s[0] < '0' || s[0] > '9' || s[len(s)-1] < '0' || s[len(s)-1] > '9' {
		return false
	}
	i := strings.IndexAny(s, "acd")
	return i > 0 && strings.Trim(s[:i], "0123456789,") == "" && strings.Trim(s[i+1:], "0123456789,") == ""
}

// plainSection reads a header of --- and +++ and the hunks after it.
func (s *scanner) plainSection() (section, error) {
	oldLine, newLine := s.peek(0), s.peek(1)
	sec := section{line: s.line, crlf: strings.HasSuffix(oldLine, "\r\n")}
	s.skip(oldLine)
	s.skip(newLine)
	oldName, oldEpoch, err := headerName(oldLine[len("--- "):])
	if err != nil {
		return sec, s.errorf("read name: %v", err)
	}
	newName, newEpoch, err := headerName(newLine[len("+++ "):])
	if err != nil {
		return sec, s.errorf("read name: %v", err)
	}
	sec.oldName, sec.newName = oldName, newName
	old, new, err := s.hunks(&sec)
	if err != nil {
		return sec, err
	}
	// In a tree from a reproducible archive every file has the epoch as its time: the time alone
	// does not say that a file is missing.
	sec.isNew = oldName == devNull || oldEpoch && old == 0
	sec.isDelete = newName == devNull || newEpoch && new == 0
	if sec.oldName == devNull && sec.newName == devNull {
		return sec, &scanError{sec.line, "both names are /dev/null"}
	}
	if sec.isNew && old > 0 {
		return sec, &scanError{sec.line, "the file is new, but a hunk has old lines"}
	}
	if sec.isDelete && new > 0 {
		return sec, &scanError{sec.line, "the file is deleted, but a hunk leaves lines"}
	}
	sec.head = "--- a/x\n+++ b/x\n"
	return sec, nil
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
