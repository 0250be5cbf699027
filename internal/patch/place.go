// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// placer applies all hunks of one file to its text.
type placer struct {
	name string
	text *text
	opt  Options

	placements []Placement
	problems   []*Problem
	starts     []int // line of the file before at which each placement's change begins
}

// run returns the file's new bytes; they are meaningless if there are problems.
func (p *placer) run(f *File) []byte {
	hunks := f.hunks(p.opt.Reverse, f.crlf && bytes.Contains(p.text.data, []byte("\r\n")))
	s := &search{text: p.text}
	out := &output{text: p.text, data: make([]byte, 0, len(p.text.data)+4096)}
	for i := range hunks {
		h := &hunks[i]
		where, fuzz, problem := p.locate(s, h)
		if problem != nil {
			p.problems = append(p.problems, problem)
			continue
		}
		at := Placement{
			File: p.name, Hunk: h.number, PatchLine: h.line,
			Line: where, Offset: where - h.first, Fuzz: fuzz,
		}
		s.place(h, where)
		at.Added, at.NewLine = out.hunk(h, where)
		p.placements = append(p.placements, at)
		p.starts = append(p.starts, where+min(h.lead, len(h.old)))
	}
	out.finish()
	if isC(p.name) && len(p.problems) == 0 {
		p.nameFunctions(out.data)
	}
	return out.data
}

// nameFunctions records which functions each placement changes: for added lines it looks at the
// file after the change, if lines are only removed at the file before it.
func (p *placer) nameFunctions(after []byte) {
	text := newText(after)
	for i := range p.placements {
		at := &p.placements[i]
		var names []string
		for _, r := range at.Added {
			names = append(names, enclosingFunction(text, r.First))
			for n := r.First; n <= r.Last; n++ {
				// A new function in the added lines.
				if text.line(n)[0] == '{' {
					names = append(names, enclosingFunction(text, n+1))
				}
			}
			names = append(names, enclosingFunction(text, r.Last))
		}
		if len(at.Added) == 0 {
			names = append(names, enclosingFunction(p.text, p.starts[i]))
		}
		for _, name := range names {
			if name != "" && !slices.Contains(at.Functions, name) {
				at.Functions = append(at.Functions, name)
			}
		}
	}
}

// locate finds a hunk's place, and refuses places that GNU patch would take by luck.
func (p *placer) locate(s *search, h *hunk) (where, fuzz int, _ *Problem) {
	expected := h.first + s.drift
	problem := func(r Reason, format string, args ...any) *Problem {
		return &Problem{
			File: p.name, Hunk: h.number, PatchLine: h.line, Line: max(expected, 1),
			Reason: r, Detail: fmt.Sprintf(format, args...), reject: h.String(),
		}
	}
	where, fuzz, ok := s.find(h, p.opt.Fuzz)
	if !ok {
		miss := problem(NoMatch, "")
		if len(h.old) == 0 {
			miss.Detail = fmt.Sprintf("it only adds lines, after line %d, which is beyond the end of the file or before an earlier hunk", expected-1)
		}
		miss.Closest = closest(p.text, h, expected)
		if c := miss.Closest; c != nil && c.Same == len(h.old) && len(c.Diff) == c.Same {
			miss.Detail = fmt.Sprintf("its lines are at line %d, but it has %d lines of context before its changes and %d after them, which ties it to an end of the file, or it overlaps the hunk before it", c.Line, h.lead, h.trail)
		}
		if why := s.lineEnds(h, p.opt.Fuzz); why != "" {
			miss.Detail, miss.Closest = why, nil
		}
		return 0, 0, miss
	}
	if p.opt.Nearest {
		return where, fuzz, nil
	}
	wanted, in := h.function, ""
	if wanted != "" && isC(p.name) {
		in = enclosingFunction(p.text, where)
	}
	if in != "" && in != wanted {
		return 0, 0, problem(OtherFunction, "line %d is in %s, but its header names %s", where, in, wanted)
	}
	if where == expected || len(h.old) == 0 {
		return where, fuzz, nil
	}
	// The line number is known to be off, so it cannot decide between two places with the same
	// text. The function's name can.
	var others []string
	for _, at := range s.everywhere(h, fuzz) {
		if at != where && (in == "" || enclosingFunction(p.text, at) == in) {
			others = append(others, fmt.Sprint(at))
		}
	}
	if len(others) > 0 {
		return 0, 0, problem(Ambiguous, "line %d and line %s", where, strings.Join(others, ", "))
	}
	return where, fuzz, nil
}

// output builds the file after, copying what lies between the hunks.
type output struct {
	text *text
	data []byte
	next int // first line of the old file that is not copied yet, from 1; 0 means 1
	line int // lines written
}

// upTo copies the file's lines before line n.
func (o *output) upTo(n int) {
	o.next = max(o.next, 1)
	n = min(n, o.text.count()+1)
	if n <= o.next {
		return
	}
	o.newline()
	o.data = append(o.data, o.text.data[o.text.start(o.next):o.text.start(n)]...)
	o.line += n - o.next
	o.next = n
}

// newline ends a line that had no newline because it was the last, and is not the last any more.
func (o *output) newline() {
	if n := len(o.data); n > 0 && o.data[n-1] != '\n' {
		o.data = append(o.data, '\n')
	}
}

// hunk writes h at line where. The context is the file's own: fuzz lets it differ from the
// patch's. It returns the lines added and the line at which the hunk now starts.
func (o *output) hunk(h *hunk, where int) (added []Range, newLine int) {
	o.next = max(o.next, 1)
	newLine = o.line + where - o.next + 1
	at := where
	for _, l := range h.lines {
		switch l.Op {
		case gitdiff.OpContext:
			at++
		case gitdiff.OpDelete:
			o.upTo(at)
			at++
			o.next = at
		case gitdiff.OpAdd:
			o.upTo(at)
			o.newline()
			o.data = append(o.data, l.Line...)
			o.line++
			if n := len(added); n > 0 && added[n-1].Last == o.line-1 {
				added[n-1].Last = o.line
			} else {
				added = append(added, Range{o.line, o.line})
			}
		}
	}
	return added, newLine
}

func (o *output) finish() { o.upTo(o.text.count() + 1) }
