// SPDX-License-Identifier: GPL-2.0-only

package patch

import "strings"

// token is a word, number, literal or operator of C. Comments and preprocessor lines are
// not among them.
type token struct {
	text string
	line int
}

// tokens cuts C source apart. Of an #if with an #else the first branch counts: where the
// kernel asks for CONFIG_VE or the like, it is set. What #if 0 holds does not count.
func tokens(src string) []token {
	var all []token
	line := 1
	skip := 0 // nesting of #if inside a branch that is left out; 0 outside of one
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
			n = directiveLength(src[i:])
			skip = afterDirective(src[i:i+n], skip)
		case strings.HasPrefix(src[i:], "//"):
			n = lineLength(src[i:])
		case strings.HasPrefix(src[i:], "/*"):
			n = len(src) - i
			if end := strings.Index(src[i+2:], "*/"); end >= 0 {
				n = end + 4
			}
		case c == '"' || c == '\'':
			n = literalLength(src[i:])
			if skip == 0 {
				all = append(all, token{src[i : i+n], line})
			}
		default:
			n = wordLength(src[i:])
			if skip == 0 {
				all = append(all, token{src[i : i+n], line})
			}
		}
		line += strings.Count(src[i:i+n], "\n")
		i += n
	}
	return all
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

// directiveLength is the length of a preprocessor line with its continuations.
func directiveLength(s string) int {
	n := 0
	for {
		n += lineLength(s[n:])
		if n == len(s) || !strings.HasSuffix(strings.TrimSuffix(s[:n], "\r"), "\\") {
			return n
		}
		n++
	}
}

// afterDirective gives the nesting behind a preprocessor line.
func afterDirective(directive string, skip int) int {
	word, rest, _ := strings.Cut(strings.TrimLeft(directive[1:], " \t"), " ")
	word = strings.TrimSpace(word)
	switch {
	case skip > 0 && strings.HasPrefix(word, "if"):
		return skip + 1
	case skip > 0 && word == "endif":
		return skip - 1
	case skip == 0 && (word == "else" || word == "elif"),
		skip == 0 && word == "if" && strings.TrimSpace(rest) == "0":
		return 1
	case skip == 1 && word == "else":
		// The other branch of an #if 0, or what follows an #elif left out already;
		// the latter is rare enough to be read as well.
		return 0
	}
	return skip
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
	for n < len(s) && isNameByte(s[n]) {
		n++
	}
	if n > 0 {
		return n
	}
	for _, op := range []string{"->", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "|=", "&=", "+=", "-=", "++", "--"} {
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
		return !isNameByte(left[len(left)-1]) || left == "if" || left == "return"
	}
	return true
}

// function is a C function with a body.
type function struct {
	name string
	line int
	body []stmt
}

// functions finds the functions of a file.
func functions(t []token) map[string]*function {
	all := make(map[string]*function)
	start := 0 // of the declaration
	for i := 0; i < len(t); i++ {
		switch t[i].text {
		case ";", "}":
			start = i + 1
		case "(", "[":
			i = closing(t, i)
		case "{":
			end := closing(t, i)
			if name := declared(t[start:i]); name != "" {
				body, _ := statements(t[i+1 : min(end, len(t))])
				all[name] = &function{name, t[start].line, body}
			}
			i, start = end, end+1
		}
	}
	return all
}

// declared is the name of the function whose declaration t is, "" when it is no function's.
func declared(t []token) string {
	for i := 0; i+1 < len(t); i++ {
		if t[i].text == "=" {
			return ""
		}
		name := t[i].text
		if t[i+1].text != "(" || !isNameStart(name[0]) {
			continue
		}
		if call, prefix := syscallMacro(name); call && i+2 < len(t) {
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
