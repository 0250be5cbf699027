// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
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

// as is a value kept as a type: flags in a bool are 1, which is MNT_FORCE.
func as(t []token, v value) value {
	if v.kind == isNumber && !has(t, "*") && (has(t, "bool") || has(t, "_Bool")) {
		return truth(v.n != 0)
	}
	return v
}

// pass enters a function by a call, where each value gets the type that it is kept as.
func (m *machine) pass(fn *function, args []value, line int) value {
	result, params := fn.signature()
	own := m.base.functions[fn.name] == nil // the patch's own, which nobody has compiled yet
	given := make([]value, len(args))
	for i, a := range args {
		if given[i] = a; i < len(params) {
			given[i] = as(params[i], a)
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
	return as(result, v)
}
