// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Stack holds some files of a source, to which patches are applied one after the other in memory,
// as rpmbuild does before it applies ours. It parses patches only for those files, so a patch as
// large as a kernel costs little more than reading it.
type Stack struct {
	names []string
	base  Files
	now   map[string]*Content // what patches changed; nil for a deleted file
}

// NewStack starts with the named files as base returns them. It ignores other files.
func NewStack(base Files, names []string) *Stack {
	return &Stack{names: names, base: base, now: make(map[string]*Content)}
}

// Clone returns an independent copy of the stack.
func (s *Stack) Clone() *Stack {
	c := NewStack(s.base, s.names)
	maps.Copy(c.now, s.now)
	return c
}

// File returns a file as the patches left it; File is a Files.
func (s *Stack) File(name string) (Content, error) {
	if content, changed := s.now[name]; changed {
		if content == nil {
			return Content{}, fs.ErrNotExist
		}
		return *content, nil
	}
	return s.base(name)
}

// Text is an unparsed patch.
type Text struct {
	Name string // for messages
	text string
}

// ReadText reads a patch, plain or compressed, without parsing it. An error is a *ParseError.
func ReadText(name string, data []byte) (*Text, error) {
	data, err := decompressed(data)
	if err != nil {
		return nil, &ParseError{Name: name, Err: err}
	}
	return &Text{name, string(data)}, nil
}

// Apply applies a patch to the files as GNU patch would with these options, and returns the names
// of the files that it changes. If it cannot be applied, the error says why, and the files stay
// as they are.
func (s *Stack) Apply(t *Text, opt Options) (changed []string, err error) {
	if !slices.ContainsFunc(s.names, func(file string) bool { return mentions(t.text, file, opt.Strip) }) {
		return nil, nil
	}
	p, err := parse(t.Name, t.text, func(raw string) bool { return slices.Contains(s.names, stripped(raw, opt.Strip)) })
	if err != nil || len(p.Files) == 0 {
		return nil, err
	}
	opt.Nearest = true
	plan, err := NewPlan(p, s.File, opt)
	if err != nil {
		return nil, err
	}
	if plan.Applied {
		return nil, fmt.Errorf("place patch %s: its change to %s is already applied", t.Name, plan.Placements[0].File)
	}
	for _, c := range plan.Changes {
		s.now[c.Name] = c.After
		changed = append(changed, c.Name)
	}
	return changed, nil
}

// headerWords start the lines of a patch that may name a file.
var headerWords = []string{"--- ", "+++ ", "*** ", "diff ", "rename ", "copy "}

// mentions reports whether a patch may change the file: whether a line that starts like a header
// has its name. It only searches for the name, which is much faster than parsing the patch.
func mentions(text, file string, strip int) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], file)
		if at < 0 {
			return false
		}
		at += from
		from = at + len(file)
		start := strings.LastIndexByte(text[:at], '\n') + 1
		if !hasAnyPrefix(text[start:], headerWords) {
			continue
		}
		end := strings.IndexByte(text[from:], '\n')
		if end < 0 {
			end = len(text) - from
		}
		for word := range strings.FieldsSeq(text[start : from+end]) {
			if word = strings.Trim(word, `"`); word == file || stripped(word, strip) == file {
				return true
			}
		}
	}
}
