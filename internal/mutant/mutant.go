// SPDX-License-Identifier: Apache-2.0

// Package mutant makes wrong ports out of right ones, by rule: what a check or a verdict
// lets pass of these, it would let pass of a port that somebody got wrong.
package mutant

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Mutant is a port with one thing changed.
type Mutant struct {
	Name  string // unique among those of a port, and stable: its rule and what it was applied to
	Rule  string
	Patch []byte // the whole patch
}

// Generate makes all mutants of a port: a unified diff whose added lines are the hook. Those
// that move a part of the hook move it within the context that the diff shows; give a diff
// with the whole function around it (diff -U1000) to have it moved past every check.
//
// A mutant need not be wrong: some are the same as the port in all that matters. Who tries
// them says which, and why.
func Generate(port []byte) ([]Mutant, error) {
	p, err := parse(port)
	if err != nil {
		return nil, err
	}
	var all []Mutant
	seen := map[string]bool{string(port): true}
	names := map[string]int{}
	for _, r := range rules {
		for _, e := range r.edits(p) {
			m := Mutant{Name: r.name + ": " + e.what, Rule: r.name, Patch: p.with(e)}
			if seen[string(m.Patch)] {
				continue
			}
			seen[string(m.Patch)] = true
			if names[m.Name]++; names[m.Name] > 1 {
				m.Name += fmt.Sprintf(" (%d)", names[m.Name])
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// port is a patch taken apart.
type port struct {
	chunks []chunk
}

// chunk is a run of lines: a hunk's added lines, one other line of a hunk, a hunk's header, or
// what stands outside of hunks.
type chunk struct {
	kind byte   // '+' added lines, ' ' and '-' a line of the old file, '@' a header, 'x' outside
	text string // without the leading character of each line
}

func parse(data []byte) (*port, error) {
	p := &port{}
	old, added := 0, 0 // lines of the hunk that are still to come
	for l := range strings.Lines(string(data)) {
		kind := byte('x')
		switch {
		case strings.HasPrefix(l, "@@ "):
			if _, err := fmt.Sscanf(counts(l), "%d %d", &old, &added); err != nil {
				return nil, fmt.Errorf("read port: hunk header %q: %w", strings.TrimSpace(l), err)
			}
			p.chunks = append(p.chunks, chunk{'@', l})
			continue
		case (old > 0 || added > 0) && l == "\n":
			kind, l = ' ', " \n"
		case old > 0 || added > 0:
			kind = l[0]
		}
		switch kind {
		case ' ':
			old, added = old-1, added-1
		case '-':
			old--
		case '+':
			added--
			if n := len(p.chunks); p.chunks[n-1].kind == '+' {
				p.chunks[n-1].text += l[1:]
				continue
			}
		case 'x':
			p.chunks = append(p.chunks, chunk{'x', l})
			continue
		default:
			return nil, fmt.Errorf("read port: %q is no line of a hunk", strings.TrimSpace(l))
		}
		p.chunks = append(p.chunks, chunk{kind, l[1:]})
	}
	if !slices.ContainsFunc(p.chunks, func(c chunk) bool { return c.kind == '+' }) {
		return nil, fmt.Errorf("read port: it adds no line")
	}
	return p, nil
}

// counts are the two numbers of lines in a hunk's header.
func counts(header string) string {
	f := strings.Fields(header)
	if len(f) < 4 {
		return ""
	}
	count := func(s string) string {
		if _, n, ok := strings.Cut(s, ","); ok {
			return n
		}
		return "1"
	}
	return count(f[1]) + " " + count(f[2])
}

// edit changes a port: in each of the chunks some text, from the last place to the first.
type edit struct {
	what    string
	changes []change
}

// change puts text in the place of a part of an added chunk; before any other chunk, from and
// to are 0, it adds lines.
type change struct {
	chunk, from, to int
	text            string
}

// with writes the port with an edit, with the right counts in the hunks' headers.
func (p *port) with(e edit) []byte {
	chunks := slices.Clone(p.chunks)
	changes := slices.Clone(e.changes)
	slices.SortStableFunc(changes, func(a, b change) int {
		if a.chunk != b.chunk {
			return b.chunk - a.chunk
		}
		return b.from - a.from
	})
	for _, c := range changes {
		if chunks[c.chunk].kind != '+' {
			chunks = slices.Insert(chunks, c.chunk, chunk{'+', c.text})
			continue
		}
		t := chunks[c.chunk].text
		chunks[c.chunk].text = t[:c.from] + c.text + t[c.to:]
	}
	var out bytes.Buffer
	for i, c := range chunks {
		switch c.kind {
		case '@':
			old, added := 0, 0
			for _, h := range chunks[i+1:] {
				if h.kind == '@' || h.kind == 'x' {
					break
				}
				if h.kind != '+' {
					old++
				}
				if h.kind != '-' {
					added += strings.Count(h.text, "\n")
				}
			}
			f := strings.SplitN(c.text, " ", 4)
			from, _, _ := strings.Cut(f[1], ",")
			to, _, _ := strings.Cut(f[2], ",")
			fmt.Fprintf(&out, "@@ %s,%d %s,%d %s", from, old, to, added, f[3])
		case 'x':
			out.WriteString(c.text)
		default:
			for l := range strings.Lines(c.text) {
				out.WriteByte(c.kind)
				out.WriteString(l)
			}
		}
	}
	return out.Bytes()
}
