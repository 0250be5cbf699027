// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"io"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// ParseError means that a text is not a readable patch.
type ParseError struct {
	Name string // of the patch
	Line int    // in the patch, from 1; 0 if it could not be decompressed
	Err  error
}

func (e *ParseError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("read patch %s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("read patch %s: line %d: %v", e.Name, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *ParseError) Unwrap() error { return e.Err }

// Parse reads a patch: one or more unified diffs, from git or from diff, with any text around
// them, plain or compressed with gzip, bzip2, xz or zstd. Messages call it name. An error is a
// *ParseError.
func Parse(name string, data []byte) (*Patch, error) {
	data, err := decompressed(data)
	if err != nil {
		return nil, &ParseError{Name: name, Err: err}
	}
	return parse(name, string(data), nil)
}

// parse reads an uncompressed patch. With want, it reads only the changes of files whose name
// want accepts, and ignores errors in the rest.
func parse(name, text string, want func(raw string) bool) (*Patch, error) {
	s := scanner{text: text, line: 1, want: want}
	if !strings.HasSuffix(text, "\n") {
		s.text, s.cut = text+"\n", true
	}
	header, sections, err := s.sections()
	if err != nil {
		if at, ok := err.(*scanError); ok {
			return nil, &ParseError{Name: name, Line: at.line, Err: fmt.Errorf("%s", at.reason)}
		}
		return nil, &ParseError{Name: name, Err: err}
	}
	p := &Patch{Name: name, Header: strings.ReplaceAll(header, "\r\n", "\n")}
	for i := range sections {
		f, err := sections[i].parse()
		if err != nil {
			return nil, &ParseError{Name: name, Line: sections[i].line, Err: err}
		}
		p.Files = append(p.Files, f)
	}
	return p, nil
}

// parse lets go-gitdiff read a section.
func (sec *section) parse() (*File, error) {
	diffs, _, err := gitdiff.Parse(&lineReader{parts: []string{sec.head, sec.body}})
	if err != nil {
		return nil, err
	}
	if len(diffs) != 1 {
		return nil, fmt.Errorf("the file's change was read as %d changes", len(diffs))
	}
	f := &File{
		OldName: sec.oldName, NewName: sec.newName, Line: sec.line,
		diff: diffs[0], git: sec.git, crlf: sec.crlf, lines: sec.hunkLines,
	}
	f.diff.IsNew, f.diff.IsDelete = sec.isNew, sec.isDelete
	if len(f.diff.TextFragments) != len(f.lines) {
		return nil, fmt.Errorf("%d hunks were read as %d", len(f.lines), len(f.diff.TextFragments))
	}
	return f, nil
}

// lineReader passes strings to go-gitdiff line by line without copying them: go-gitdiff's parser
// uses ReadString if there is one, and keeps what it gets.
type lineReader struct{ parts []string }

func (r *lineReader) ReadString(delim byte) (string, error) {
	for len(r.parts) > 0 {
		if i := strings.IndexByte(r.parts[0], delim); i >= 0 {
			line := r.parts[0][:i+1]
			r.parts[0] = r.parts[0][i+1:]
			return line, nil
		}
		if rest := r.parts[0]; rest != "" {
			r.parts[0] = ""
			return rest, nil
		}
		r.parts = r.parts[1:]
	}
	return "", io.EOF
}

// Read is for readers that do not use ReadString.
func (r *lineReader) Read(p []byte) (int, error) {
	for len(r.parts) > 0 && r.parts[0] == "" {
		r.parts = r.parts[1:]
	}
	if len(r.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.parts[0])
	r.parts[0] = r.parts[0][n:]
	return n, nil
}
