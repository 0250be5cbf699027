// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Stack is some files of a source under patches that are put upon each other in memory,
// as rpmbuild does before it comes to ours. Patches are read only for those files: one
// that has the size of a kernel costs little more than its reading.
type Stack struct {
	names []string
	base  Files
	now   map[string]*Content // what patches changed; nil for a file that is gone
}

// NewStack begins with the named files as base gives them. Other files are not looked at.
func NewStack(base Files, names []string) *Stack {
	return &Stack{names: names, base: base, now: make(map[string]*Content)}
}

// Clone returns a stack that goes on on its own.
func (s *Stack) Clone() *Stack {
	c := NewStack(s.base, s.names)
	for name, content := range s.now {
		c.now[name] = content
	}
	return c
}

// File returns a file as the patches left it; it is a Files.
func (s *Stack) File(name string) (Content, error) {
	if content, changed := s.now[name]; changed {
		if content == nil {
			return Content{}, fs.ErrNotExist
		}
		return *content, nil
	}
	return s.base(name)
}

// Text is a patch that is not parsed yet.
type Text struct {
	Name string // for messages
	text string
}

// ReadText takes a patch, plain or compressed. An error is a *ParseError.
func ReadText(name string, data []byte) (*Text, error) {
	data, err := decompressed(data)
	if err != nil {
		return nil, &ParseError{Name: name, Err: err}
	}
	return &Text{name, string(data)}, nil
}

// Apply puts a patch on the files as GNU patch would with these options, and gives the
// names of those that it changes. Where it does not go in, the error says why, and the
// files stay as they are.
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
		return nil, fmt.Errorf("place patch %s: its change is in %s already", t.Name, plan.Placements[0].File)
	}
	for _, c := range plan.Changes {
		s.now[c.Name] = c.After
		changed = append(changed, c.Name)
	}
	return changed, nil
}

// headerWords begin the lines of a patch that may name a file.
var headerWords = []string{"--- ", "+++ ", "*** ", "diff ", "rename ", "copy "}

// mentions reports whether a patch may change the file: whether its name stands in a line
// that begins as headers do. It looks for the name alone, which is much faster than to
// read the patch.
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
		for _, word := range strings.Fields(text[start : from+end]) {
			if word = strings.Trim(word, `"`); word == file || stripped(word, strip) == file {
				return true
			}
		}
	}
}
