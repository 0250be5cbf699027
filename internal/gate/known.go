// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"strings"
)

// knownWords are functions and macros of every kernel that stand for a value or a place, and not for an event.
var knownWords = []string{
	"likely", "unlikely", "READ_ONCE", "ACCESS_ONCE", "WRITE_ONCE", "BIT", "min", "max", "min_t", "max_t", "IS_ENABLED", "container_of", "ARRAY_SIZE", "match_string",
}

// known works out a call of one of knownWords. ok is false where it is of a form that is not known.
func (m *machine) known(fr *frame, fn string, e *expr) (v value, ok bool) {
	switch fn {
	case "likely", "unlikely":
		return m.truthOf(fr, e)
	case "READ_ONCE", "ACCESS_ONCE":
		return m.readOnce(fr, e)
	case "WRITE_ONCE":
		return m.writeOnce(fr, e)
	case "BIT":
		return m.bit(fr, e)
	case "min":
		return m.chosen(fr, "<", e.args[1:], "")
	case "max":
		return m.chosen(fr, ">", e.args[1:], "")
	case "min_t":
		return m.typed(fr, "<", e.args[1:])
	case "max_t":
		return m.typed(fr, ">", e.args[1:])
	case "IS_ENABLED":
		return m.isEnabled(e)
	case "container_of":
		return m.containerOf(fr, e)
	case "ARRAY_SIZE":
		return m.arraySize(fr, e)
	case "match_string":
		return m.matchString(fr, e)
	}
	return v, false
}

func (m *machine) truthOf(fr *frame, e *expr) (value, bool) {
	if len(e.args) != 2 {
		return value{}, false
	}
	return m.not(m.not(m.eval(fr, e.args[1]))), true
}

// isPlace reports whether an expression can be written to, as READ_ONCE() and WRITE_ONCE() want it.
func (m *machine) isPlace(fr *frame, e *expr) bool {
	switch e.op {
	case name:
		_, local := fr.vars[e.tok.text]
		_, constant := constants[e.tok.text]
		return local && !fr.structs[e.tok.text] || !local && !constant
	case ".", "->", index, "u*":
		return true
	}
	return false
}

func (m *machine) readOnce(fr *frame, e *expr) (value, bool) {
	if len(e.args) != 2 || !m.isPlace(fr, e.args[1]) {
		return value{}, false
	}
	return m.eval(fr, e.args[1]), true
}

func (m *machine) writeOnce(fr *frame, e *expr) (value, bool) {
	if len(e.args) != 3 || !m.isPlace(fr, e.args[1]) {
		return value{}, false
	}
	m.assign(fr, e.args[1], m.eval(fr, e.args[2]), e.args[0].tok.line)
	return term("(void)"), true
}

func (m *machine) bit(fr *frame, e *expr) (value, bool) {
	if len(e.args) != 2 {
		return value{}, false
	}
	v := m.eval(fr, e.args[1])
	if v.kind != isNumber || v.sign != "" {
		return value{}, false
	}
	return calculate("<<", integer{64, true}.of(1), v)
}

func (m *machine) typed(fr *frame, op string, args []*expr) (value, bool) {
	if len(args) != 3 || args[0].op != typeArg {
		return value{}, false
	}
	return m.chosen(fr, op, args[1:], args[0].tok.text)
}

// chosen is the lesser or the greater of two numbers. What is no number is left to who calls a function.
func (m *machine) chosen(fr *frame, op string, args []*expr, in string) (value, bool) {
	if len(args) != 2 || !simple(args[0]) || !simple(args[1]) {
		return value{}, false
	}
	a, b := m.eval(fr, args[0]), m.eval(fr, args[1])
	if a.kind != isNumber || b.kind != isNumber {
		return value{}, false
	}
	if in != "" {
		var aOK, bOK bool
		a, aOK = m.convert(in, a)
		b, bOK = m.convert(in, b)
		if !aOK || !bOK {
			return value{}, false
		}
	}
	is, ok := calculate(op, a, b)
	t := common(a.in, b.in)
	if is.n != 0 {
		return t.of(a.n), ok
	}
	return t.of(b.n), ok
}

// simple reports whether to work an expression out has no effect, so that it may be done twice.
func simple(e *expr) bool {
	if e.op == call || precedence[e.op] == 2 || strings.HasSuffix(e.op, "++") || strings.HasSuffix(e.op, "--") {
		return false
	}
	for _, a := range e.args {
		if !simple(a) {
			return false
		}
	}
	return true
}

// containerOf is the struct around a member. A mount's has a name of its own.
func (m *machine) containerOf(fr *frame, e *expr) (value, bool) {
	if len(e.args) != 4 || e.args[2].op != typeArg || e.args[3].op != name {
		return value{}, false
	}
	of, member := m.eval(fr, e.args[1]), e.args[3].tok.text
	if e.args[2].tok.text == "struct mount" && member == "mnt" {
		return term("real_mount(" + of.String() + ")"), true
	}
	return term(fmt.Sprintf("container_of(%s, %s, %s)", of, e.args[2].tok.text, member)), true
}

// isEnabled asks for an option of the configuration. That of OpenVZ is set in a source that has it, and that of pid
// namespaces wherever a caller is in one. What else is set the source does not tell.
func (m *machine) isEnabled(e *expr) (value, bool) {
	if len(e.args) != 2 || e.args[1].op != name || !strings.HasPrefix(e.args[1].tok.text, "CONFIG_") {
		return value{}, false
	}
	option := e.args[1].tok.text
	switch {
	case m.base.has(m.names, option):
		return num(1), true
	case option == "CONFIG_PID_NS":
		m.out.pidfact = true
		if m.ask(factContainer, 2, true) == 1 {
			return num(1), true
		}
		return truth(m.ask(option+" is set", 2, true) == 1), true
	}
	return term("IS_ENABLED(" + option + ")"), true
}
