// SPDX-License-Identifier: Apache-2.0

package mutant

import (
	"strings"

	"ovzpatch/internal/ctext"
)

// token is a word of C and where it stands in its chunk.
type token struct {
	text     string
	from, to int
}

// statement is a statement of the hook, or a function that it adds.
type statement struct {
	kind     string // "if", "simple", "function"
	from, to int
	cond     []token // of an if
	body     []statement
	tokens   []token
	chunk    int
}

// tokens leaves out comments and preprocessor lines.
func tokens(s string) []token {
	var all []token
	for i := 0; i < len(s); {
		n := 1
		switch {
		case strings.ContainsRune(" \t\n", rune(s[i])):
			i++
			continue
		case strings.HasPrefix(s[i:], "/*"):
			i += strings.Index(s[i:], "*/") + 2
			continue
		case s[i] == '#' || strings.HasPrefix(s[i:], "//"):
			i += strings.IndexByte(s[i:], '\n')
			continue
		case s[i] == '"':
			for n < len(s)-i && s[i+n] != '"' {
				if s[i+n] == '\\' {
					n++
				}
				n++
			}
			n++
		case ctext.NameByte(s[i]):
			for n < len(s)-i && ctext.NameByte(s[i+n]) {
				n++
			}
		default:
			for _, op := range []string{"->", "&&", "||", "==", "!=", "&=", "|=", "++"} {
				if strings.HasPrefix(s[i:], op) {
					n = 2
				}
			}
		}
		all = append(all, token{s[i : i+n], i, i + n})
		i += n
	}
	return all
}

func closing(t []token, open int) int {
	depth := 0
	for i := open; i < len(t); i++ {
		switch t[i].text {
		case "(", "{", "[":
			depth++
		case ")", "}", "]":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(t) - 1
}

// statements reads the statements in t, at least as well as our own ports need.
func statements(chunk int, t []token) []statement {
	var all []statement
	for i := 0; i < len(t); {
		s, n := one(chunk, t[i:])
		if s.kind != "" {
			all = append(all, s)
		}
		i += n
	}
	return all
}

func one(chunk int, t []token) (statement, int) {
	if t[0].text == "}" || t[0].text == "else" || t[0].text == ";" {
		return statement{}, 1
	}
	if t[0].text == "if" && len(t) > 1 {
		end := closing(t, 1)
		s := statement{kind: "if", from: t[0].from, cond: t[2:end], chunk: chunk}
		if end+1 >= len(t) {
			return statement{}, len(t)
		}
		n := end + 1
		if t[n].text == "{" {
			last := closing(t, n)
			s.body = statements(chunk, t[n+1:last])
			n = last + 1
		} else {
			body, took := one(chunk, t[n:])
			s.body = []statement{body}
			n += took
		}
		s.to, s.tokens = t[n-1].to, t[:n]
		return s, n
	}
	for i := 0; i < len(t); i++ {
		switch t[i].text {
		case ";":
			return statement{kind: "simple", from: t[0].from, to: t[i].to, tokens: t[:i+1], chunk: chunk}, i + 1
		case "(":
			i = closing(t, i)
		case "{":
			last := closing(t, i)
			if i > 0 && t[i-1].text == ")" {
				return statement{
					kind: "function", from: t[0].from, to: t[last].to, chunk: chunk,
					body: statements(chunk, t[i+1:last]), tokens: t[:last+1],
				}, last + 1
			}
			i = last
		}
	}
	return statement{}, len(t)
}

// hook are all statements that the port adds, outermost first.
func (p *port) hook() []statement {
	var all []statement
	for i, c := range p.chunks {
		if c.kind == '+' {
			all = append(all, statements(i, tokens(c.text))...)
		}
	}
	return all
}

// every calls visit for each statement, also for those within others. inside says whether a
// function of the hook holds it.
func (p *port) every(visit func(s statement, inside bool)) {
	var walk func(list []statement, inside bool)
	walk = func(list []statement, inside bool) {
		for _, s := range list {
			visit(s, inside)
			walk(s.body, inside || s.kind == "function")
		}
	}
	walk(p.hook(), false)
}

func (p *port) text(s statement) string { return p.chunks[s.chunk].text[s.from:s.to] }

func (s statement) has(word string) bool {
	for _, t := range s.tokens {
		if t.text == word {
			return true
		}
	}
	return false
}

// is reports whether a statement declares a variable.
func (s statement) declares() bool {
	if s.kind != "simple" || len(s.tokens) < 2 {
		return false
	}
	switch s.tokens[0].text {
	case "const", "static", "bool", "int", "struct", "char", "unsigned":
		return true
	}
	return false
}

// operands are the parts of an expression between operators && and ||, at any depth of
// parentheses, each as a range of tokens. op is the operator beside it.
func operands(t []token, visit func(part []token, op string)) {
	start, op := 0, ""
	depth := 0
	for i := 0; i <= len(t); i++ {
		text := ""
		if i < len(t) {
			text = t[i].text
		}
		switch text {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		}
		if depth > 0 || text != "&&" && text != "||" && i < len(t) {
			continue
		}
		part := t[start:i]
		beside := op
		if beside == "" {
			beside = text
		}
		if len(part) > 0 {
			visit(part, beside)
			if part[0].text == "(" && closing(part, 0) == len(part)-1 {
				operands(part[1:len(part)-1], visit)
			}
		}
		start, op = i+1, text
	}
}
