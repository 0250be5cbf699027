// SPDX-License-Identifier: Apache-2.0

package spec

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

	// Of a line that opens, changes or closes a condition.
	turn  turn
	now   truth // of the branch that begins
	outer truth // whether the whole condition is read
}

// turn is what a line does to the conditions of rpm.
type turn int

const (
	turnNone turn = iota
	turnOpen
	turnElif
	turnElse
	turnEnd
)

var (
	directiveLine = regexp.MustCompile(`^\s*%(define|global|undefine|bcond|bcond_with|bcond_without)\b`)
	simpleTag     = regexp.MustCompile(`(?i)^\s*(Name|Version|Release|Epoch)\s*:\s*(\S.*?)\s*$`)
)

// evaluate follows a spec as rpmbuild would read it, and returns its lines one by one, but
// those of macros and conditions and %changelog. At each the macros are those known there.
// Nothing is run: what %(...) or Lua would give cannot be told, nor can what depends on it.
func (s *Spec) evaluate(m *macros) iter.Seq[reading] {
	return func(yield func(reading) bool) {
		for r := range s.readings(m) {
			if r.turn == turnNone && !directiveLine.MatchString(r.text) && !macroBlock.MatchString(r.text) && !yield(r) {
				return
			}
		}
	}
}

// readings is evaluate, with the lines of conditions and those that begin macros.
func (s *Spec) readings(m *macros) iter.Seq[reading] {
	return func(yield func(reading) bool) {
		var open []branch
		for i, l := range s.lines {
			if l.macro {
				continue
			}
			r := reading{line: l, i: i, live: yes, outer: yes}
			for _, b := range open {
				if b.now == cannotTell && r.doubt == "" {
					r.doubt = b.text
				}
				if b.now == no && r.off == "" {
					r.off = b.text
				}
				r.outer, r.live = r.live, and(r.live, b.now)
			}
			m.line, m.live = i+1, r.live
			if now, ok := follow(open, l.text, m); ok {
				r.turned(len(open), now)
				open = now
				if !yield(r) {
					return
				}
				continue
			}
			if l.section == "changelog" {
				continue
			}
			if r.live != no {
				m.read(l)
			}
			if !yield(r) {
				return
			}
		}
	}
}

// turned notes what the line did to the conditions, of which there were before.
func (r *reading) turned(before int, now []branch) {
	switch {
	case len(now) > before:
		r.turn, r.outer = turnOpen, r.live
	case len(now) < before:
		r.turn = turnEnd
	case strings.HasPrefix(strings.TrimSpace(r.text), "%else"):
		r.turn = turnElse
	default:
		r.turn = turnElif
	}
	if r.turn != turnEnd {
		r.now = now[len(now)-1].now
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
