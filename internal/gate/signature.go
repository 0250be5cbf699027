// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"slices"
	"strings"
)

// signature returns what a function's head says before its name, and its parameters, each with
// its type. A system call's macro has another form, and none of them.
func (f *function) signature() (result []token, params [][]token) {
	for i := 0; i+1 < len(f.head); i++ {
		if f.head[i].text != f.name || f.head[i+1].text != "(" {
			continue
		}
		end := min(closing(f.head, i+1), len(f.head))
		if params = split(f.head[i+2:end], ","); len(params) == 1 && len(params[0]) == 1 {
			params = nil // (void)
		}
		return f.head[:i], params
	}
	return nil, nil
}

// typeOf is the type that stands before a name, without what does not count for its values. Of a pointer it is what
// it points to.
func typeOf(t []token) string {
	var all []string
	for i := 0; i < len(t); i++ {
		switch tok := t[i]; {
		case strings.HasPrefix(tok.text, "__attribute") && i+1 < len(t):
			i = closing(t, i+1)
		case tok.text == "*" || slices.Contains(harmless, tok.text):
		case slices.Contains([]string{"static", "const", "register", "volatile", "inline", "extern"}, tok.text):
		default:
			all = append(all, tok.text)
		}
	}
	return strings.Join(all, " ")
}

// paramTypes are the types of a function's parameters. "" is for what is no plain value.
func (f *function) paramTypes() []string {
	_, params := f.signature()
	if params == nil {
		return nil
	}
	all := make([]string, len(params))
	for i, p := range params {
		if len(p) > 1 && !has(p, "*") && !has(p, "[") && !has(p, "(") {
			all[i] = typeOf(p[:len(p)-1])
		}
	}
	return all
}

// kept is what becomes of a value in a variable of a type, or in a parameter: flags in a bool are 1, which is MNT_FORCE.
// line is that of a statement of the hook, or 0.
func (m *machine) kept(kind, name string, v value, line int) value {
	t, isInteger := integerType(kind)
	narrow := kind == "char" || isInteger && t.width() < 32
	doubt := func(why string) {
		if line > 0 {
			m.doubt(line, name+why)
		}
	}
	switch {
	case kind == "" || v.kind == isText:
		return v
	case kind == "bool" || kind == "_Bool":
		return truth(m.decide(v))
	case v.kind == isTerm && narrow, v.sign != "" && (!isInteger || narrow || t.unsigned):
		return term("(" + kind + ")" + v.String())
	case v.kind == isTerm || v.sign != "":
		return v
	case isInteger:
		is := t.of(v.n)
		if narrow && is.n != v.n {
			doubt(" is too narrow for what it is set to")
		}
		return is
	case kind == "char" && (v.n < 0 || v.n > 127):
		doubt(" is too narrow for what it is set to")
	case kind != "char" && !strings.HasPrefix(kind, "enum "):
		doubt(" is of the type " + kind + ", of which it is not known what it makes of a number")
	}
	return v
}

// pass enters a function by a call, where each value gets the type that it is kept as.
func (m *machine) pass(fn *function, args []value, line int) value {
	m.spend(len(fn.head), line)
	result, params := fn.signature()
	own := m.base.functions[fn.name] == nil // the patch's own, which nobody has compiled yet
	given, hook := make([]value, len(args)), 0
	if own {
		hook = line
	}
	for i, a := range args {
		if given[i] = a; i < len(fn.kinds) && (own || a.kind == isNumber) {
			given[i] = m.kept(fn.kinds[i], fn.params[i], a, hook)
		}
	}
	if n := len(params); own && n != len(args) && !(n > 0 && strings.Contains(spelled(params[n-1]), "...")) {
		m.doubt(line, fmt.Sprintf("%s() takes %d arguments, but is called with %d", fn.name, n, len(args)))
	}
	if own && (has(result, "__init") || has(result, "__exit")) {
		m.doubt(line, fn.name+"() is not there any more when the kernel runs: "+short(spelled(result)))
	}
	v := m.enter(fn, given)
	if own && has(result, "void") && !has(result, "*") && v != (value{}) {
		m.doubt(line, fn.name+"() returns a value and is declared void")
	}
	if has(result, "*") || has(result, "void") || !own && v.kind != isNumber {
		return v
	}
	return m.kept(typeOf(result), fn.name+"()", v, hook)
}
