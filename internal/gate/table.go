// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"
)

// table is a constant of a file's or a function's own: a list of texts or numbers, or one of them.
type table struct {
	elements []value
	one      value // where it is no list
	list     bool
	size     int // of a text that is kept in place, with its end; 0 for others
}

// tables are the constants among declarations.
func tables(t []token) map[string]*table {
	all, again := map[string]*table{}, map[string]bool{}
	for _, part := range split(t, ";") {
		name, is := readTable(part)
		if is == nil {
			continue
		}
		again[name] = again[name] || all[name] != nil
		all[name] = is
	}
	for name := range again {
		if again[name] {
			delete(all, name)
		}
	}
	return all
}

// readTable reads the declaration of a constant: of a kind that nobody can write to, with all that is in it.
func readTable(t []token) (string, *table) {
	at := slices.IndexFunc(t, func(tok token) bool { return tok.text == "=" })
	if at < 2 || slices.ContainsFunc(t, func(tok token) bool { return tok.under != "" }) {
		return "", nil
	}
	left, right := t[:at], t[at+1:]
	var sizes [][]token
	for left[len(left)-1].text == "]" {
		open := len(left) - 1
		for open > 0 && left[open].text != "[" {
			open--
		}
		if open == 0 {
			return "", nil
		}
		sizes = append([][]token{left[open+1 : len(left)-1]}, sizes...)
		left = left[:open]
	}
	name := left[len(left)-1].text
	of, pointers := elementType(left[:len(left)-1])
	if of == "" || !constant(left) {
		return "", nil
	}
	shape := strings.Repeat("*", pointers) + strings.Repeat("[]", len(sizes))
	if is := readValues(of, shape, sizes, right); is != nil {
		return name, is
	}
	return "", nil
}

// elementType is the type that stands before a name, "" for one that is not known here.
func elementType(t []token) (of string, pointers int) {
	var all []string
	for _, tok := range t {
		switch tok.text {
		case "static", "const", "register":
		case "*":
			pointers++
		default:
			all = append(all, tok.text)
		}
	}
	of = strings.Join(all, " ")
	if _, known := integerType(of); !known && of != "char" && of != "bool" {
		return "", 0
	}
	return of, pointers
}

// readValues reads what a constant is set to. shape is what stands around its name.
func readValues(of, shape string, sizes [][]token, right []token) *table {
	var is *table
	switch {
	case of == "char" && shape == "*":
		is = readOne(right, isText)
	case of == "char" && shape == "[]":
		if is = readOne(right, isText); is != nil {
			is.size = len(is.one.s) + 1
			is = is.fitting(sizes[0])
		}
	case of == "char" && shape == "*[]", of == "char" && shape == "[][]":
		is = readList(right, isText, sizes[0])
		if shape == "[][]" && is != nil && !is.narrowerThan(sizes[1]) {
			return nil
		}
	case of != "char" && shape == "":
		is = readOne(right, isNumber)
	case of != "char" && shape == "[]":
		is = readList(right, isNumber, sizes[0])
	}
	if is == nil || of == "char" {
		return is
	}
	return is.as(of)
}

// as makes the numbers of a table those of a type.
func (t *table) as(of string) *table {
	in, isInteger := integerType(of)
	kept := func(v value) value {
		if isInteger {
			return in.of(v.n)
		}
		return truth(v.n != 0)
	}
	t.one = kept(t.one)
	for i := range t.elements {
		t.elements[i] = kept(t.elements[i])
	}
	return t
}

// fitting returns a text if it and its end fit into the size that is given, if one is.
func (t *table) fitting(size []token) *table {
	if len(size) == 0 {
		return t
	}
	n, ok := constantOf(size)
	if !ok || n.kind != isNumber || n.n < int64(t.size) || n.n > 1000 {
		return nil
	}
	t.size = int(n.n)
	return t
}

// narrowerThan reports whether all texts and their ends fit into a size.
func (t *table) narrowerThan(size []token) bool {
	n, ok := constantOf(size)
	return ok && n.kind == isNumber && !slices.ContainsFunc(t.elements, func(v value) bool { return v.kind != isText || int64(len(v.s)) >= n.n })
}

func readOne(t []token, of kind) *table {
	v, ok := constantOf(t)
	if !ok || v.kind != of {
		return nil
	}
	return &table{one: v}
}

func readList(t []token, of kind, size []token) *table {
	if len(t) < 2 || t[0].text != "{" || closing(t, 0) != len(t)-1 {
		return nil
	}
	is := &table{list: true}
	for _, part := range split(t[1:len(t)-1], ",") {
		v, ok := constantOf(part)
		if !ok || v.kind != of && (of != isText || v.kind != isNumber || v.n != 0) {
			return nil
		}
		is.elements = append(is.elements, v)
	}
	if len(size) == 0 {
		return is
	}
	n, ok := constantOf(size)
	if !ok || n.kind != isNumber || n.n < int64(len(is.elements)) || n.n > 1000 {
		return nil
	}
	for int64(len(is.elements)) < n.n {
		is.elements = append(is.elements, num(0))
	}
	return is
}

// constantOf works out an expression of which all parts are known wherever it stands.
func constantOf(t []token) (value, bool) {
	e, err := expression(t)
	if err != nil {
		return value{}, false
	}
	return constantValue(e)
}

func constantValue(e *expr) (value, bool) {
	switch e.op {
	case number:
		return literalNumber(e.tok.text)
	case literal:
		if slices.ContainsFunc(e.args, func(a *expr) bool { return a.tok.text[0] != '"' }) {
			return value{}, false
		}
		v := (&machine{}).text(e)
		return v, isPlainText(v)
	case name:
		n, ok := constants[e.tok.text]
		return num(n), ok
	}
	if len(e.args) == 2 && precedence[e.op] > 5 {
		a, aOK := constantValue(e.args[0])
		b, bOK := constantValue(e.args[1])
		if !aOK || !bOK || a.kind != isNumber || b.kind != isNumber {
			return value{}, false
		}
		return calculate(e.op, a, b)
	}
	return value{}, false
}

// table is the constant that an expression names, nil for none.
func (m *machine) table(fr *frame, e *expr) *table {
	if e.op != name {
		return nil
	}
	if v, local := fr.vars[e.tok.text]; local {
		return m.tables[v.s]
	}
	return m.file.tables[e.tok.text]
}

// constantTable declares a constant of the function's own.
func (m *machine) constantTable(fr *frame, t []token) bool {
	name, is := readTable(t)
	if is == nil {
		return false
	}
	fr.shadow(name)
	fr.consts[name] = true
	if !is.list && is.size == 0 {
		fr.vars[name] = is.one
		return true
	}
	fr.vars[name] = term(name + "@" + fr.fn.name)
	m.tables[fr.vars[name].s] = is
	return true
}

// element is the element of a list, or the letter of a text. ok is false where it is not known.
func (m *machine) element(fr *frame, e *expr) (v value, ok bool) {
	is := m.table(fr, e.args[0])
	of := value{}
	if is == nil || !is.list {
		if of = m.eval(fr, e.args[0]); of.kind != isText {
			return v, false
		}
	}
	if len(e.args) != 2 {
		return v, false
	}
	at := m.eval(fr, e.args[1])
	switch {
	case at.kind != isNumber || at.sign != "":
		return v, false
	case of.kind == isText:
		v, ok = letter(of, at.n)
		m.looks.partly = m.looks.partly || of.ofType
	case at.n >= 0 && at.n < int64(len(is.elements)):
		v, ok = is.elements[at.n], true
	}
	if !ok && m.new > 0 {
		m.doubt(m.new, "what is read lies outside of what it is read from: "+short(e.args[0].tok.text)+"["+at.String()+"]")
	}
	return v, ok
}

func (m *machine) arraySize(fr *frame, e *expr) (value, bool) {
	if len(e.args) != 2 {
		return value{}, false
	}
	is := m.table(fr, e.args[1])
	switch {
	case is == nil:
		return value{}, false
	case is.list:
		return length(len(is.elements)), true
	}
	return length(is.size), is.size > 0
}

// matchString is the place of a text in a list, or an error, which is a number here.
func (m *machine) matchString(fr *frame, e *expr) (value, bool) {
	if len(e.args) != 4 || !simple(e.args[3]) {
		return value{}, false
	}
	is, n, text := m.table(fr, e.args[1]), m.eval(fr, e.args[2]), m.eval(fr, e.args[3])
	if is == nil || !is.list || n.kind != isNumber || n.sign != "" || !isPlainText(text) {
		return value{}, false
	}
	m.looks.sees("match_string", append(slices.Clone(is.elements[:max(min(n.n, int64(len(is.elements))), 0)]), text))
	for i := int64(0); i < n.n; i++ {
		switch {
		case i >= int64(len(is.elements)):
			return value{}, false
		case is.elements[i].kind != isText:
			return num(-22), true
		case is.elements[i].s == text.s:
			return num(i), true
		}
	}
	return num(-22), n.n >= 0
}

// size is what sizeof says. ok is false where it is not known, or not the same on all machines.
func (m *machine) size(fr *frame, e *expr) (value, bool) {
	of := e.args[0]
	switch {
	case of.op == typeArg:
		t, ok := integerType(of.tok.text)
		if of.tok.text == "char" {
			t, ok = integer{bits: 8}, true
		}
		return length(t.width() / 8), ok && (t.width() < 64 || strings.Contains(of.tok.text, "64"))
	case of.op == literal:
		v, ok := constantValue(of)
		return length(len(v.s) + 1), ok
	}
	is := m.table(fr, of)
	if is == nil {
		return value{}, false
	}
	return length(is.size), is.size > 0
}

// ratio is sizeof(list) / sizeof(list[0]), the number of a list's elements.
func (m *machine) ratio(fr *frame, e *expr) (value, bool) {
	if e.op != "/" || e.args[0].op != sizeOf || e.args[1].op != sizeOf {
		return value{}, false
	}
	whole, part := e.args[0].args[0], e.args[1].args[0]
	is := m.table(fr, whole)
	if is == nil || !is.list || part.op != index && part.op != "u*" || part.args[0].op != name || part.args[0].tok.text != whole.tok.text {
		return value{}, false
	}
	return length(len(is.elements)), true
}
