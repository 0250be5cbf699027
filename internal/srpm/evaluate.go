// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"iter"
	"regexp"
	"strings"
)

// branch is an open %if.
type branch struct {
	text  string // as people are told of it
	now   truth  // of the branch that is open
	taken truth  // one before was
}

// follow opens, changes and closes branches by a line. ok is false for any other line.
func follow(open []branch, text string, m *macros) (now []branch, ok bool) {
	last := len(open) - 1
	switch {
	case ifStart.MatchString(text):
		return append(open, branch{text: strings.TrimSpace(text), now: m.condition(text)}), true
	case ifElse.MatchString(text):
		b := &open[last]
		b.taken = or(b.taken, b.now)
		b.now = not(b.taken)
		if strings.HasPrefix(strings.TrimSpace(text), "%else") {
			b.text = "the %else of " + strings.TrimPrefix(b.text, "the %else of ")
		} else {
			b.now, b.text = and(b.now, m.condition(text)), strings.TrimSpace(text)
		}
		return open, true
	case ifEnd.MatchString(text):
		return open[:last], true
	}
	return open, false
}

// reading is a line of a spec as rpmbuild comes by it.
type reading struct {
	line
	i     int    // from 0
	live  truth  // whether it is read
	doubt string // the condition that cannot be told
	off   string // the condition that does not hold
}

var (
	directiveLine = regexp.MustCompile(`^\s*%(define|global|undefine|bcond|bcond_with|bcond_without)\b`)
	simpleTag     = regexp.MustCompile(`(?i)^\s*(Name|Version|Release|Epoch)\s*:\s*(\S.*?)\s*$`)
)

// evaluate follows a spec as rpmbuild would read it, and gives its lines one by one, but
// those of macros and conditions and %changelog. At each the macros are those known there.
// Nothing is run: what %(...) or Lua would give cannot be told, nor can what hangs on it.
func (s *spec) evaluate(m *macros) iter.Seq[reading] {
	return func(yield func(reading) bool) {
		var open []branch
		for i, l := range s.lines {
			if l.macro {
				continue
			}
			r := reading{line: l, i: i, live: yes}
			for _, b := range open {
				if b.now == cannotTell && r.doubt == "" {
					r.doubt = b.text
				}
				if b.now == no && r.off == "" {
					r.off = b.text
				}
				r.live = and(r.live, b.now)
			}
			m.line, m.live = i+1, r.live
			if now, ok := follow(open, l.text, m); ok {
				open = now
				continue
			}
			if l.section == "changelog" {
				continue
			}
			if r.live != no {
				m.read(l)
			}
			if directiveLine.MatchString(l.text) || macroBlock.MatchString(l.text) {
				continue
			}
			if !yield(r) {
				return
			}
		}
	}
}

// read takes the definitions of a line, which may stand anywhere, and its tag.
func (m *macros) read(l line) {
	text := m.expand(l.text)
	f := simpleTag.FindStringSubmatch(text)
	if f == nil || l.section != "" {
		return
	}
	lower, upper := strings.ToLower(f[1]), strings.ToUpper(f[1])
	for _, name := range []string{lower, upper, "PACKAGE_" + upper} {
		m.set(name, f[2])
	}
}
