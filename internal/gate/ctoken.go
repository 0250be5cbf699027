// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"

	"ovzpatch/internal/ctext"
)

// token is a word, number, literal or operator of C. Comments and preprocessor lines are
// not among them.
type token struct {
	text  string
	line  int
	under string // the conditions of the preprocessor it is compiled under, "" for none
}

// tokens cuts C source apart. Of an #if with an #else the first branch counts: where the
// kernel asks for CONFIG_VE or the like, it is set. What #if 0 holds does not count.
func tokens(src string) []token {
	all, _ := scan(src)
	return all
}

// scan is tokens, and says what nests deeper than is read.
func scan(src string) (all []token, deep *Fault) {
	src = uncommented(src)
	line := 1
	var open conditions
	out, under, kept := false, "", 0
	for i := 0; i < len(src); {
		c := src[i]
		var n int
		switch {
		case c == '\n':
			line++
			i++
			continue
		case c == ' ' || c == '\t' || c == '\r' || c == '\f':
			i++
			continue
		case c == '#' && startsLine(src, i):
			n = lineLength(src[i:])
			open.directive(src[i : i+n])
			if open.deep() {
				return nil, &Fault{tooDeep("conditions of the preprocessor"), []int{line}}
			}
			out, under = open.out(), open.text()
			if kept += len(under); kept > maxUnder {
				return nil, &Fault{"the file has more conditions of the preprocessor than are read", []int{line}}
			}
		default:
			if n = wordLength(src[i:]); c == '"' || c == '\'' {
				n = literalLength(src[i:])
			}
			if !out {
				all = append(all, token{src[i : i+n], line, under})
			}
		}
		line += strings.Count(src[i:i+n], "\n")
		i += n
	}
	return all, nesting(all)
}

func startsLine(src string, i int) bool {
	for i--; i >= 0 && src[i] != '\n'; i-- {
		if src[i] != ' ' && src[i] != '\t' {
			return false
		}
	}
	return true
}

func lineLength(s string) int {
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n
	}
	return len(s)
}

// conditions are the open conditions of the preprocessor.
type conditions []condition

type condition struct {
	text  string // as "ifdef CONFIG_VE"
	first bool   // the first branch of it that counts has begun
	out   bool   // what follows is left out
	more  int    // branches behind the first
}

// directive takes a line of the preprocessor into account.
func (c *conditions) directive(d string) {
	text := strings.Join(strings.Fields(strings.TrimLeft(d, "# \t")), " ")
	word, rest, _ := strings.Cut(text, " ")
	n := len(*c)
	switch {
	case strings.HasPrefix(word, "if"):
		zero := word == "if" && rest == "0"
		*c = append(*c, condition{text: text, first: !zero, out: zero})
	case n == 0:
	case word == "endif":
		*c = (*c)[:n-1]
	case word == "else" || word == "elif":
		last := &(*c)[n-1]
		last.out, last.first = last.first, true
		last.text += ", " + text
		last.more++
	}
}

// deep reports whether there are more conditions in each other, or branches of one, than are read.
func (c conditions) deep() bool {
	return len(c) > maxNesting || len(c) > 0 && c[len(c)-1].more > maxNesting
}

func (c conditions) out() bool {
	return slices.ContainsFunc(c, func(c condition) bool { return c.out })
}

func (c conditions) text() string {
	if len(c) == 0 {
		return ""
	}
	all := make([]string, len(c))
	for i, o := range c {
		all[i] = o.text
	}
	return strings.Join(all, "; ")
}

// literalLength is the length of a string or character literal, which ends with its line
// at the latest.
func literalLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(s)
}

func wordLength(s string) int {
	n := 0
	for n < len(s) && ctext.NameByte(s[n]) {
		n++
	}
	if n > 0 {
		return n
	}
	for _, op := range []string{"<<=", ">>=", "...", "->", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "|=", "&=", "+=", "-=", "*=", "/=", "%=", "^=", "++", "--"} {
		if strings.HasPrefix(s, op) {
			return len(op)
		}
	}
	return 1
}

// closing is the index of the bracket that closes the one at t[open], or len(t).
func closing(t []token, open int) int {
	depth := 0
	for i := open; i < len(t); i++ {
		switch t[i].text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(t)
}

// spelled writes tokens as C again, for people to read.
func spelled(t []token) string {
	var b strings.Builder
	for i, tok := range t {
		if i > 0 && needsBlank(t[i-1].text, tok.text) {
			b.WriteByte(' ')
		}
		b.WriteString(tok.text)
	}
	return b.String()
}

func needsBlank(left, right string) bool {
	switch {
	case strings.Contains("( ! ~ -> . [", left) || strings.Contains(") -> . [ ; ,", right):
		return false
	case right == "(":
		return !ctext.NameByte(left[len(left)-1]) || left == "if" || left == "return"
	}
	return true
}

// declared is the name of the function whose declaration t is, "" when it is no function's.
func declared(t []token) string {
	for i := 0; i+1 < len(t); i++ {
		if t[i].text == "=" {
			return ""
		}
		name := t[i].text
		if t[i+1].text != "(" || !ctext.NameStart(name[0]) {
			continue
		}
		if prefix, call := ctext.SyscallMacro(name); call && i+2 < len(t) {
			return prefix + t[i+2].text
		}
		if name == "__attribute__" || name == "__printf" {
			i = closing(t, i+1)
			continue
		}
		return name
	}
	return ""
}
