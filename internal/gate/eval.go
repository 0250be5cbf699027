// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strconv"
	"strings"
)

// maxText bounds how long the text is by which a value is known; a kernel's has some hundred characters.
const maxText = 10000

// evalSteps are the steps of a part of an expression; enterSteps those of a call that is followed; keptSteps those of a
// letter that is kept until the way ends.
const (
	evalSteps  = 20
	enterSteps = 400
	keptSteps  = 4
)

// eval works an expression out. A variable that is added to itself doubles what it is known by.
func (m *machine) eval(fr *frame, e *expr) value {
	if m.out.halted || !m.spend(evalSteps, e.tok.line) {
		return value{}
	}
	v := m.worked(fr, e)
	m.spend(len(v.s), e.tok.line)
	if len(v.s)+len(v.level) > maxText {
		m.doubt(e.tok.line, "a value that is made of more than is followed")
		m.out.halted, m.out.over = true, true
		return value{}
	}
	return v
}

func (m *machine) worked(fr *frame, e *expr) value {
	switch e.op {
	case number:
		if n, ok := literalNumber(e.tok.text); ok {
			return n
		}
		return term(e.tok.text)
	case literal:
		return m.text(e)
	case name:
		return m.name(fr, e.tok)
	case call:
		return m.call(fr, e)
	case cast:
		v := m.eval(fr, e.args[0])
		if is, ok := m.convert(e.tok.text, v); ok {
			return is
		}
		return term("(" + e.tok.text + ")" + v.String())
	case sizeOf:
		if v, ok := m.size(fr, e); ok {
			return v
		}
		return term("sizeof(" + e.args[0].tok.text + ")")
	case typeArg:
		return term(e.tok.text)
	case index, ".", "->":
		return m.part(fr, e)
	case choice, elvis, "&&", "||", ",":
		return m.oneOf(fr, e)
	}
	if v, ok := m.assignment(fr, e); ok {
		return v
	}
	if op, ok := strings.CutPrefix(e.op, "u"); ok {
		return m.unary(fr, op, e)
	}
	if v, ok := m.ratio(fr, e); ok {
		return v
	}
	a := m.eval(fr, e.args[0])
	return m.binary(e.op, a, m.eval(fr, e.args[1]), e.tok.line)
}

// part is an element of an array, or a member of a struct.
func (m *machine) part(fr *frame, e *expr) value {
	if e.op != index {
		m.filled(fr, e.args[0])
		base := m.eval(fr, e.args[0])
		if base.kind == isNumber {
			base = term(base.String())
		}
		return m.read(member(base, e.op, e.tok.text))
	}
	if v, ok := m.element(fr, e); ok {
		return v
	}
	var s strings.Builder
	s.WriteString(m.eval(fr, e.args[0]).String() + "[")
	for _, a := range e.args[1:] {
		s.WriteString(m.eval(fr, a).String())
	}
	return m.read(term(s.String() + "]"))
}

// oneOf works out an operator that leaves operands out, or does nothing with them.
func (m *machine) oneOf(fr *frame, e *expr) value {
	switch e.op {
	case "&&":
		return truth(m.decide(m.eval(fr, e.args[0])) && m.decide(m.eval(fr, e.args[1])))
	case "||":
		return truth(m.decide(m.eval(fr, e.args[0])) || m.decide(m.eval(fr, e.args[1])))
	case elvis:
		if v := m.eval(fr, e.args[0]); m.decide(v) {
			return v
		}
		return m.eval(fr, e.args[1])
	case choice:
		if m.decide(m.eval(fr, e.args[0])) {
			return m.eval(fr, e.args[1])
		}
		return m.eval(fr, e.args[2])
	}
	m.eval(fr, e.args[0])
	return m.eval(fr, e.args[1])
}

// assignment works out an operator that sets something.
func (m *machine) assignment(fr *frame, e *expr) (_ value, ok bool) {
	line := e.tok.line
	switch e.op {
	case "=":
		v := m.eval(fr, e.args[1])
		return m.assign(fr, e.args[0], v, line), true
	case post + "++", post + "--", "u++", "u--":
		was := m.eval(fr, e.args[0])
		is := m.assign(fr, e.args[0], m.binary(e.op[len(e.op)-1:], was, num(1), line), line)
		if e.op[0] == 'u' {
			return is, true
		}
		return was, true
	}
	if op, ok := strings.CutSuffix(e.op, "="); ok && precedence[e.op] == 2 {
		was := m.eval(fr, e.args[0])
		return m.assign(fr, e.args[0], m.binary(op, was, m.eval(fr, e.args[1]), line), line), true
	}
	return value{}, false
}

func (m *machine) unary(fr *frame, op string, e *expr) value {
	if op == "&" {
		return m.addressOf(fr, e.args[0])
	}
	v := m.eval(fr, e.args[0])
	switch {
	case op == "!" && v.kind == isTerm && !isErrorCode(v.s):
		return v.negated()
	case op == "!":
		return truth(!m.decide(v))
	case op == "~" && v.kind == isNumber && v.sign == "":
		return v.in.promoted().of(^v.n)
	case op == "-" && v.kind == isNumber && v.sign == "":
		return v.in.promoted().of(-v.n)
	case op == "+":
		return v
	case op == "*" && v.kind == isText:
		if first, ok := letter(v, 0); ok {
			m.looks.partly = m.looks.partly || v.ofType
			return first
		}
	case op == "*":
		if at, name := m.pointed(v); at != nil {
			return at.vars[name]
		}
		if of, ok := strings.CutPrefix(v.s, "&"); ok {
			return m.read(term(of))
		}
		return m.read(term("*" + v.String()))
	}
	return term(op + v.String())
}

func (m *machine) addressOf(fr *frame, e *expr) value {
	if e.op == name {
		if _, local := fr.vars[e.tok.text]; local {
			return term("&" + e.tok.text + "@" + fr.fn.name)
		}
	}
	if e.op == index {
		if of := m.eval(fr, e.args[0]); of.kind == isText {
			if v, ok := further("+", of, m.eval(fr, e.args[1])); ok {
				m.looks.partly = m.looks.partly || of.ofType
				return v
			}
		}
	}
	if e.op == "." || e.op == "->" {
		return address(member(m.eval(fr, e.args[0]), e.op, e.tok.text))
	}
	return address(m.eval(fr, e))
}

// binary works out an operator of two operands.
func (m *machine) binary(op string, a, b value, line int) value {
	if a.kind == isNumber && b.kind == isNumber {
		m.looks.partly = m.looks.partly || (a.sign != "" || b.sign != "") && op != "==" && op != "!="
		if v, ok := calculate(op, a, b); ok {
			return v
		}
	}
	if v, ok := further(op, a, b); ok {
		m.looks.partly = m.looks.partly || v.ofType
		return v
	}
	for _, pair := range [][2]value{{a, b}, {b, a}} {
		known, other := pair[0], pair[1]
		if known.kind != isNumber || known.sign != "" || other.kind != isTerm {
			continue
		}
		switch {
		case op == "&" && (strings.HasPrefix(other.s, "MNT_") || strings.HasPrefix(other.s, "UMOUNT_")):
			m.doubt(line, other.s+" is no flag of umount that is known here")
			if known.n == 0 {
				return num(0)
			}
		case op == "&" && known.n == 0, op == "*" && known.n == 0:
			return num(0)
		case known.n == 0 && op == "|", known.n == 0 && op == "+":
			return other
		case known.n == 0 && op == "==":
			return m.not(other)
		case known.n == 0 && op == "!=":
			return m.not(m.not(other))
		}
	}
	x, y := a.String(), b.String()
	if op == "==" || op == "!=" {
		if a.kind == isText && b == num(0) || b.kind == isText && a == num(0) {
			return truth(op == "!=") // a text is there
		}
		if x == y {
			return truth(op == "==")
		}
		if y < x {
			x, y = y, x
		}
		return value{kind: isTerm, s: "(" + x + " == " + y + ")", not: op == "!="}
	}
	return term("(" + x + " " + op + " " + y + ")")
}

func (m *machine) not(v value) value {
	if v.kind != isTerm || isErrorCode(v.s) || strings.HasPrefix(v.s, "&") {
		return truth(!m.decide(v))
	}
	return v.negated()
}

// text joins a literal's parts.
func (m *machine) text(e *expr) value {
	var text, level strings.Builder
	for _, a := range e.args {
		if a.tok.text[0] != '"' {
			if level.Len() > 0 || text.Len() > 0 || !strings.HasPrefix(a.tok.text, "KERN_") {
				level.WriteByte('?')
			}
			level.WriteString(a.tok.text)
			m.use(a.tok.text)
			continue
		}
		part, err := strconv.Unquote(a.tok.text)
		if err != nil {
			part = strings.Trim(a.tok.text, `"`)
		}
		text.WriteString(part)
	}
	return value{kind: isText, s: text.String(), level: level.String()}
}

func (m *machine) name(fr *frame, t token) value {
	if v, ok := fr.vars[t.text]; ok {
		if v.kind == isTerm && m.new > 0 && v.s == unset(t.text) {
			m.doubt(m.new, t.text+" is read before it is set")
		}
		return v
	}
	if t.text != "true" && t.text != "false" && t.text != "NULL" {
		m.use(t.text)
	}
	if n, ok := constants[t.text]; ok {
		return num(n)
	}
	if is := m.file.tables[t.text]; is != nil && !is.list {
		return is.one
	}
	if m.file.leads[t.text] {
		m.doubt(t.line, t.text+" is not called where it is named, so that it is not known on what it calls umount_begin")
	}
	return m.read(term(t.text))
}

// read returns what was written to a place, and the name of the type of the file system.
func (m *machine) read(v value) value {
	if was, ok := m.memory[v.s]; ok {
		return was
	}
	if strings.HasSuffix(v.s, "->s_type->name") && typeName.MatchString(v.s) {
		m.asksType(v.s)
		return value{kind: isText, s: m.types[m.ask(factType, len(m.types), true)], ofType: true}
	}
	return v
}

func unset(name string) string { return "unset " + name }

// assign sets a variable, or writes to a place that others see.
func (m *machine) assign(fr *frame, to *expr, v value, line int) value {
	if to.op == call && to.args[0].op == name && to.args[0].tok.text == "ACCESS_ONCE" && len(to.args) == 2 && m.isPlace(fr, to.args[1]) {
		to = to.args[1]
	}
	if to.op == name {
		was, local := fr.vars[to.tok.text]
		if local {
			v = m.kept(fr.kinds[to.tok.text], to.tok.text, v, m.new)
			if m.new > 0 && fr.consts[to.tok.text] {
				m.doubt(line, to.tok.text+" is const, and the hook writes to it: that does not compile")
			}
			m.drop(was, v, line)
			fr.vars[to.tok.text] = v
			fr.filled[to.tok.text] = ""
			return v
		}
	}
	if to.op == "u*" {
		if at, of := m.pointed(m.eval(fr, to.args[0])); at != nil {
			return m.assign(at, &expr{op: name, tok: token{text: of, line: to.tok.line}}, v, line)
		}
	}
	var place value
	switch to.op {
	case name:
		place = term(to.tok.text)
		m.out.written[to.tok.text] = line
	case ".", "->":
		place = member(m.eval(fr, to.args[0]), to.op, to.tok.text)
		if of := to.args[0]; to.op == "." && of.op == name {
			fr.filled[of.tok.text] = ""
		}
	default:
		place = term(m.eval(fr, to).String())
		if to.op == "u*" {
			place = term("*" + m.eval(fr, to.args[0]).String())
		}
	}
	if m.new > 0 && m.local(fr, to) {
		m.doubt(line, "what the hook writes to is a part of a variable of the function's, which is not followed: "+short(place.s))
	}
	m.memory[place.s] = v
	m.touch(strings.TrimPrefix(place.s, "*&"), "an assignment")
	m.event(place.s+" = "+v.String(), "", line)
	return v
}

// pointed is the variable that a pointer points to, with the call whose it is; nil where it is not known which.
func (m *machine) pointed(v value) (*frame, string) {
	of, ok := strings.CutPrefix(v.s, "&")
	name, in, local := strings.Cut(of, "@")
	if !ok || !local || v.kind != isTerm || v.not {
		return nil, ""
	}
	for _, fr := range slices.Backward(m.frames) {
		if _, is := fr.vars[name]; is && fr.fn.name == in && !fr.structs[name] && !fr.shadowed[name] {
			return fr, name
		}
	}
	return nil, ""
}

// local reports whether what is written to lies in a variable of a function, or where a pointer to one points.
func (m *machine) local(fr *frame, to *expr) bool {
	for to.op != name && len(to.args) > 0 {
		if to.op == "->" || to.op == "u*" || to.op == index {
			of := m.eval(fr, to.args[0])
			return (to.op == index || strings.Contains(of.s, "&")) && strings.Contains(of.s, "@")
		}
		to = to.args[0]
	}
	_, is := fr.vars[to.tok.text]
	return to.op == name && is
}

// drop notes where a variable that held MNT_FORCE loses it.
func (m *machine) drop(was, is value, line int) {
	if m.new == 0 || was.kind != isNumber || is.kind != isNumber || was.n&mntForce == 0 || is.n&mntForce != 0 || was.n > 31 || was.n < 0 {
		return
	}
	if m.out.dropped == 0 {
		m.out.droppedIn = m.onWay()
		m.out.dropped = line
		m.step(Step{Kind: FlagDrop, Function: m.calls[len(m.calls)-1], Line: line})
	}
	m.out.alsoLost |= was.n &^ is.n &^ mntForce
}

// onWay is the innermost function that is run of those that come to umount_begin. The one that
// takes the flag away may be a helper of its.
func (m *machine) onWay() string {
	for _, name := range slices.Backward(m.calls) {
		if m.file.leads[name] {
			return name
		}
	}
	return m.calls[0]
}
