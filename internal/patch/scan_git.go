// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"slices"
	"strings"
)

// gitHeaderLines are git's extended header lines, which go-gitdiff reads for us.
var gitHeaderLines = []string{
	"old mode ", "new mode ", "deleted file mode ", "new file mode ",
	"copy from ", "copy to ", "rename from ", "rename to ", "rename old ", "rename new ",
	"similarity index ", "dissimilarity index ", "index ",
}

// gitModes are all that git writes: files, programs, symbolic links, submodules and directories.
var gitModes = []string{"100644", "100755", "120000", "160000", "040000"}

// modeOf returns the mode in one of git's header lines, if there is one.
func modeOf(line string) (mode string, ok bool) {
	for _, p := range []string{"old mode ", "new mode ", "deleted file mode ", "new file mode "} {
		if mode, ok = strings.CutPrefix(line, p); ok {
			return strings.TrimSpace(mode), true
		}
	}
	if _, mode, ok = strings.Cut(strings.TrimPrefix(line, "index "), " "); ok && strings.HasPrefix(line, "index ") {
		return strings.TrimSpace(mode), true
	}
	return "", false
}

// gitSection reads a section that starts with "diff --git".
func (s *scanner) gitSection() (section, error) {
	sec := section{line: s.line, git: true, crlf: strings.HasSuffix(s.peek(0), "\r\n")}
	if err := s.gitHeader(&sec); err != nil {
		return sec, err
	}
	if strings.HasPrefix(s.peek(0), "GIT binary patch") {
		s.binary(&sec)
		return sec, nil
	}
	if strings.HasPrefix(s.peek(0), "Binary files ") {
		return sec, s.errorf("a binary file differs, but the patch does not contain its bytes; make the patch with git diff --binary")
	}
	old, new, err := s.hunks(&sec)
	if err != nil {
		return sec, err
	}
	if sec.isNew && old > 0 {
		return sec, &scanError{sec.line, "the file is new, but a hunk has old lines"}
	}
	if sec.isDelete && new > 0 {
		return sec, &scanError{sec.line, "the file is deleted, but a hunk leaves lines"}
	}
	return sec, nil
}

// gitHeader reads the lines before the hunks, and takes from them which files it is about.
func (s *scanner) gitHeader(sec *section) error {
	first := s.peek(0)
	s.skip(first)
	var head strings.Builder
	head.WriteString("diff --git a/x b/x\n")
	var from, to string
	for {
		line := s.peek(0)
		if !hasAnyPrefix(line, gitHeaderLines) {
			break
		}
		value := strings.TrimRight(line, "\r\n")
		// Whether a package's own patch goes in is GNU patch's to judge.
		if mode, ok := modeOf(value); ok && s.want == nil && !slices.Contains(gitModes, mode) {
			return s.errorf("mode %s is none that git writes (%s)", mode, strings.Join(gitModes, ", "))
		}
		head.WriteString(value + "\n")
		sec.isNew = sec.isNew || strings.HasPrefix(line, "new file mode ")
		sec.isDelete = sec.isDelete || strings.HasPrefix(line, "deleted file mode ")
		for _, p := range []string{"rename from ", "rename old ", "copy from "} {
			if v, ok := strings.CutPrefix(value, p); ok {
				from = v
			}
		}
		for _, p := range []string{"rename to ", "rename new ", "copy to "} {
			if v, ok := strings.CutPrefix(value, p); ok {
				to = v
			}
		}
		s.skip(line)
	}
	if line, next := s.peek(0), s.peek(1); strings.HasPrefix(line, "--- ") && strings.HasPrefix(next, "+++ ") {
		var err error
		if sec.oldName, _, err = headerName(line[len("--- "):]); err != nil {
			return s.errorf("read name: %v", err)
		}
		if sec.newName, _, err = headerName(next[len("+++ "):]); err != nil {
			return s.errorf("read name: %v", err)
		}
		s.skip(line)
		s.skip(next)
	}
	sec.head = head.String()
	if err := sec.nameFromGit(first, from, to); err != nil {
		return &scanError{sec.line, err.Error()}
	}
	return nil
}

// binary reads the base85 lines up to the empty line after the last block.
func (s *scanner) binary(sec *section) {
	start := s.pos
	for s.pos < len(s.text) {
		line := s.peek(0)
		if hasAnyPrefix(line, []string{"diff --git ", "-- \n", "-- \r\n", "From "}) {
			break
		}
		s.skip(line)
	}
	sec.body = s.text[start:s.pos]
	if sec.crlf {
		sec.body = strings.ReplaceAll(sec.body, "\r\n", "\n")
	}
}
