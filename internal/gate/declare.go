// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"

	"ovzpatch/internal/ctext"
)

// isDeclaration reports whether a statement declares variables.
func isDeclaration(t []token) bool {
	if len(t) < 2 || !ctext.NameStart(t[0].text[0]) {
		return false
	}
	if t[0].text == "__label__" || strings.HasPrefix(t[0].text, "DEFINE_") || strings.HasSuffix(t[0].text, "LIST_HEAD") {
		return true
	}
	return slices.Contains(typeWords, t[0].text) || ctext.NameStart(t[1].text[0])
}

// rateStates are the ways to set a rate limit of ten messages in five seconds, as the ports
// promise it. "_" is the variable.
var rateStates = []string{
	"static struct vz_rate_info _ = { 10, 5 * HZ }",
	"static DEFINE_RATELIMIT_STATE(_, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST)",
	"static DEFINE_RATELIMIT_STATE(_, 5 * HZ, 10)",
}

// rateState tells of a declaration whether it is a rate limit's, of which variable, and whether
// it is one of rateStates.
func rateState(t []token) (name string, ok, isOne bool) {
	for i, tok := range t {
		switch {
		case tok.text == "DEFINE_RATELIMIT_STATE" && i+2 < len(t):
			name, isOne = t[i+2].text, true
		case tok.text == "vz_rate_info" && i+1 < len(t):
			name, isOne = t[i+1].text, true
		}
	}
	if !isOne {
		return "", false, false
	}
	is := compact(t)
	ok = slices.ContainsFunc(rateStates, func(s string) bool {
		return is == compact(tokens(replaceName(s, name)))
	})
	return name, ok, true
}

func replaceName(s, name string) string {
	return strings.Replace(strings.Replace(s, " _ ", " "+name+" ", 1), "(_,", "("+name+",", 1)
}

func compact(t []token) string {
	all := make([]string, len(t))
	for i, tok := range t {
		all[i] = tok.text
	}
	return strings.Join(all, " ")
}

// shadow keeps what a name stood for outside of the block that declares it.
func (fr *frame) shadow(name string) {
	if _, again := fr.declared[name]; fr.declared != nil && !again {
		fr.declared[name] = nil
		if was, outside := fr.vars[name]; outside {
			fr.declared[name] = &was
			fr.shadowed[name] = true
		}
	}
	delete(fr.kinds, name)
	delete(fr.consts, name)
}

// declare runs a declaration.
func (m *machine) declare(fr *frame, s *stmt) control {
	t := s.tokens
	if m.new > 0 && m.rateDeclaration(fr, t) {
		return control{}
	}
	if (t[0].text == "static" && !allConstant(t) || t[0].text == "extern") && m.new > 0 {
		m.doubt(m.new, "a variable that lives from call to call: "+short(spelled(t)))
	}
	if strings.HasPrefix(t[0].text, "DEFINE_") || strings.HasSuffix(t[0].text, "LIST_HEAD") || t[0].text == "__label__" {
		return m.opaqueDeclaration(fr, s)
	}
	if m.new > 0 && m.constantTable(fr, t) {
		return control{}
	}
	parts := split(t, ",")
	for i := range parts {
		left, right := m.declarator(parts[i], t)
		if len(left) == 0 || !ctext.NameStart(left[len(left)-1].text[0]) {
			return m.opaqueDeclaration(fr, s)
		}
		switch whole, err := m.variable(fr, left, right, parts, i); {
		case err != nil:
			return m.opaqueDeclaration(fr, s)
		case whole:
			// A struct that is set as a whole.
			return m.opaqueDeclaration(fr, s)
		}
	}
	return control{}
}

// allConstant reports whether nothing that a declaration declares can be written to. A pointer to what is const can.
func allConstant(t []token) bool {
	parts := split(t, ",")
	return !slices.ContainsFunc(parts, func(part []token) bool {
		at := slices.IndexFunc(part, func(tok token) bool { return tok.text == "=" })
		if at < 0 {
			at = len(part)
		}
		return !constant(part[:at]) && (has(part[:at], "*") || !has(parts[0], "const"))
	})
}

// rateDeclaration declares the state of a rate limit, and reports whether the declaration is one.
func (m *machine) rateDeclaration(fr *frame, t []token) bool {
	rate, ok, isOne := rateState(t)
	if !isOne {
		return false
	}
	for _, tok := range t {
		if ctext.NameStart(tok.text[0]) && tok.text != rate && tok.text != "static" && tok.text != "struct" {
			m.use(tok.text)
		}
	}
	switch {
	case ok:
		m.memory["rate "+rate] = num(1)
	case t[0].text != "static":
		m.fault(m.new, "the rate limit's state is no static variable, so that it begins anew with each call")
	default:
		m.doubt(m.new, "a rate limit other than ten messages in five seconds")
	}
	fr.vars[rate] = term(rate)
	return true
}

// declarator cuts one variable's part of a declaration, all, into what stands up to its name and what it is set to.
// right is nil where it is set to nothing.
func (m *machine) declarator(part, all []token) (left, right []token) {
	left = part
	if at := slices.IndexFunc(part, func(tok token) bool { return tok.text == "=" }); at >= 0 {
		left, right = part[:at], part[at+1:]
	}
	for len(left) > 0 && left[len(left)-1].text == "]" {
		open := slices.IndexFunc(left, func(tok token) bool { return tok.text == "[" })
		left = left[:max(open, 0)]
	}
	// Attributes come behind the name.
	for k, tok := range left {
		if tok.text == "__attribute__" || strings.HasPrefix(tok.text, "__maybe") || strings.HasPrefix(tok.text, "__unused") || tok.text == "uninitialized_var" {
			if word := strange(left[k:]); word != "" && m.new > 0 {
				m.doubt(m.new, "a variable is declared "+word+", and what that makes of it is not followed: "+short(spelled(all)))
			}
			return left[:k], right
		}
	}
	return left, right
}

// variable declares the i-th variable of a declaration. whole says that it is a struct that is set as a whole.
func (m *machine) variable(fr *frame, left, right []token, parts [][]token, i int) (whole bool, err error) {
	name := left[len(left)-1].text
	fr.shadow(name)
	pointer := has(left, "*")
	fr.consts[name] = constant(left) || i > 0 && !pointer && has(parts[0], "const") && !has(parts[0], "*")
	first, _ := m.declarator(parts[0], parts[0])
	switch {
	case !pointer && has(first, "struct"):
		fr.structs[name] = true
		fr.vars[name] = term(name + "@" + fr.fn.name)
		delete(fr.filled, name)
		if right != nil {
			fr.filled[name] = ""
		}
		return right != nil, nil
	case !pointer:
		fr.kinds[name] = typeOf(first[:max(len(first)-1, 0)])
	}
	fr.vars[name] = term(unset(name))
	if right == nil {
		return false, nil
	}
	e, err := expression(right)
	if err != nil {
		return false, err
	}
	v := m.kept(fr.kinds[name], name, m.eval(fr, e), m.new)
	if parts[0][0].text == "static" && m.new > 0 && (!fr.consts[name] || v.kind == isTerm) {
		v = term("static " + name)
	}
	fr.vars[name] = v
	return false, nil
}

// opaqueDeclaration passes over a declaration that is not understood.
func (m *machine) opaqueDeclaration(fr *frame, s *stmt) control {
	if m.new > 0 {
		m.doubt(m.new, "a declaration that is not understood: "+short(s.text()))
	}
	for i, tok := range s.tokens {
		if v, known := fr.vars[tok.text]; known && v.kind == isNumber && v.n&mntForce != 0 && (i == 0 || s.tokens[i-1].text != ".") {
			m.doubt(s.at.line, tok.text+" is copied into something that is not followed: "+short(s.text()))
		}
		if ctext.NameStart(tok.text[0]) && (i+1 == len(s.tokens) || strings.Contains("=,)[", s.tokens[i+1].text)) {
			if _, known := fr.vars[tok.text]; !known {
				fr.vars[tok.text] = term(tok.text + "@" + fr.fn.name)
			}
		}
	}
	m.event(s.text(), notUnderstood, s.at.line)
	m.hidesBegin(s)
	return control{}
}

// constant reports of a declaration, up to the name, whether the name cannot be written to.
func constant(t []token) bool {
	star := -1
	for i, tok := range t {
		if tok.text == "*" {
			star = i
		}
	}
	return has(t[star+1:], "const")
}

// constant reports whether a parameter cannot be written to.
func (f *function) constant(param string) bool {
	at := -1
	for i, tok := range f.head {
		if tok.text == param {
			at = i
		}
	}
	if at < 0 {
		return false
	}
	start, depth := at, 0
	for ; start > 0; start-- {
		switch f.head[start-1].text {
		case ")":
			depth++
		case "(":
			depth--
		}
		// A system call's macro has a comma between the type and the name.
		if depth < 0 || f.head[start-1].text == "," && depth == 0 && start < at {
			break
		}
	}
	return constant(f.head[start:at])
}
