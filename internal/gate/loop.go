// SPDX-License-Identifier: Apache-2.0

package gate

import "slices"

// maxTurns bounds how often a loop is gone through; a hook's goes through a short list.
const maxTurns = 40

// follows reports whether a loop or a switch is gone through: one that the patch brings. One that it changes is not,
// as the source's own is one event, with all that is in it.
func (m *machine) follows(fr *frame, s *stmt) bool {
	if m.new == 0 || s.broken {
		return false
	}
	was := m.base.functions[fr.fn.name]
	if was == nil {
		return true
	}
	m.spend(len(was.tokens), s.at.line)
	gone := false
	each(was.body, func(old *stmt) {
		gone = gone || slices.Contains(repeats, old.word) && fr.fn.texts[old.text()] == 0
	})
	return !gone
}

// repeats are the statements that hold others and are no if.
var repeats = []string{"for", "while", "do", "switch"}

// loop goes through a loop.
func (m *machine) loop(fr *frame, s *stmt) control {
	outer := fr.declared
	fr.declared = map[string]*value{}
	defer fr.leave(outer)
	if len(s.begin) > 0 && isDeclaration(s.begin) {
		m.declare(fr, &stmt{tokens: s.begin, at: s.at})
	} else {
		m.piece(fr, s, s.begin)
	}
	for turn := 0; ; turn++ {
		if turn == maxTurns {
			m.doubt(s.at.line, "a loop of which the source does not show how often it is gone through: "+short(s.text()))
			m.out.halted = true
			return control{kind: "stop"}
		}
		if (s.word != "do" || turn > 0) && len(s.test) > 0 && !m.decide(m.piece(fr, s, s.test)) {
			return control{}
		}
		c := m.block(fr, s.inner)
		switch c.kind {
		case "break":
			return control{}
		case "", "continue":
		default:
			return c
		}
		m.piece(fr, s, s.step)
	}
}

// piece works out one of the expressions of a loop.
func (m *machine) piece(fr *frame, s *stmt, t []token) value {
	if len(t) == 0 {
		return value{}
	}
	m.spend(evalSteps*len(t), s.at.line)
	e, err := expression(t)
	if err != nil {
		m.doubt(s.at.line, "a part of a statement that is not understood: "+short(spelled(t)))
		return value{}
	}
	return m.eval(fr, e)
}

// choose goes through a switch.
func (m *machine) choose(fr *frame, s *stmt) control {
	of := m.piece(fr, s, s.test)
	at := -1
	for i := range s.inner {
		if in := &s.inner[i]; in.word == "case" && m.isCase(fr, in, of) {
			at = i
			break
		} else if in.word == "default" {
			at = i
		}
	}
	if at < 0 {
		return control{}
	}
	c := m.block(fr, s.inner[at:])
	if c.kind == "break" {
		return control{}
	}
	return c
}

// isCase reports whether a value is that of a case, or lies in its range.
func (m *machine) isCase(fr *frame, s *stmt, of value) bool {
	from, to, isRange := s.tokens, []token(nil), false
	for i, tok := range s.tokens {
		if tok.text == "..." {
			from, to, isRange = s.tokens[:i], s.tokens[i+1:], true
		}
	}
	if !isRange {
		return m.decide(m.binary("==", of, m.piece(fr, s, from), s.at.line))
	}
	return m.decide(m.binary(">=", of, m.piece(fr, s, from), s.at.line)) && m.decide(m.binary("<=", of, m.piece(fr, s, to), s.at.line))
}

// leave ends a block: what it declared stands for what it stood for before.
func (fr *frame) leave(outer map[string]*value) {
	for name, was := range fr.declared {
		if was == nil {
			delete(fr.vars, name)
		} else {
			fr.vars[name] = *was
		}
	}
	fr.declared = outer
}
