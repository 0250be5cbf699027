// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// truth is what can be told about a condition, or about whether a macro is defined,
// without running the spec.
type truth int8

const (
	no truth = iota
	cannotTell
	yes
)

func and(a, b truth) truth { return min(a, b) }
func or(a, b truth) truth  { return max(a, b) }
func not(a truth) truth    { return yes - a }

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// digit is a truth as rpm's macros write it.
func (t truth) digit() string {
	return [...]string{no: "0", cannotTell: unknownText, yes: "1"}[t]
}

var conditionLine = regexp.MustCompile(`^\s*%(?:el)?(ifarch|ifnarch|ifos|ifnos|if)\b(.*)$`)

// condition tells whether a line that begins with %if or %elif is true.
func (m *macros) condition(text string) truth {
	f := conditionLine.FindStringSubmatch(text)
	if f == nil {
		return cannotTell
	}
	args := m.expand(strings.TrimSuffix(strings.TrimSpace(f[2]), `\`))
	if f[1] == "if" {
		return condition(args)
	}
	want := m.values["_target_cpu"].body
	if strings.HasSuffix(f[1], "os") {
		want = m.values["_target_os"].body
	}
	is := no
	for _, word := range strings.FieldsFunc(args, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
		switch {
		case word == want && known(want):
			is = yes
		case !known(word) || !known(want):
			is = or(is, cannotTell)
		}
	}
	if strings.HasPrefix(f[1], "ifn") {
		return not(is)
	}
	return is
}

var token = regexp.MustCompile(`^\s*("[^"]*"|&&|\|\||[=!<>]=|[!<>()+*/?:-]|[^\s"&|=!<>()+*/?:-]+)`)

// condition evaluates what stands behind %if, with its macros expanded already. What it
// cannot read is cannotTell.
func condition(text string) truth {
	e := expression{}
	for text = strings.TrimSpace(text); text != ""; {
		m := token.FindStringSubmatch(text)
		if m == nil {
			return cannotTell
		}
		e.tokens = append(e.tokens, m[1])
		text = strings.TrimSpace(text[len(m[0]):])
	}
	v := e.logical(0)
	if e.failed || len(e.tokens) > 0 {
		return cannotTell
	}
	return v.truth()
}

// expression reads tokens by rpm's grammar, over numbers and quoted strings.
type expression struct {
	tokens []string
	failed bool
}

// operand is a number or a string, or what nobody knows.
type operand struct {
	unknown bool
	text    string
	number  int
	isText  bool
}

var unknownOperand = operand{unknown: true}

func (o operand) truth() truth {
	if o.unknown {
		return cannotTell
	}
	return truthOf(o.number != 0 || o.isText && o.text != "")
}

func truthOperand(t truth) operand {
	if t == cannotTell {
		return unknownOperand
	}
	return operand{number: int(t / yes)}
}

// maxDepth is how deep parentheses and signs may be within each other.
const maxDepth = 64

// take reads one of the tokens, or returns "".
func (e *expression) take(want ...string) string {
	if len(e.tokens) == 0 || !slices.Contains(want, e.tokens[0]) {
		return ""
	}
	t := e.tokens[0]
	e.tokens = e.tokens[1:]
	return t
}

// logical reads && and ||, which rpm takes from the left with the same rank.
func (e *expression) logical(depth int) operand {
	v := e.relation(depth)
	for {
		switch e.take("&&", "||") {
		case "&&":
			v = truthOperand(and(v.truth(), e.relation(depth).truth()))
		case "||":
			v = truthOperand(or(v.truth(), e.relation(depth).truth()))
		default:
			return v
		}
	}
}

func (e *expression) relation(depth int) operand {
	v := e.sum(depth)
	for {
		op := e.take("==", "!=", "<=", ">=", "<", ">")
		if op == "" {
			return v
		}
		v = compare(v, e.sum(depth), op)
	}
}

func compare(a, b operand, op string) operand {
	if a.unknown || b.unknown || a.isText != b.isText {
		return unknownOperand
	}
	order := a.number - b.number
	if a.isText {
		order = strings.Compare(a.text, b.text)
	}
	is := map[string]bool{"==": order == 0, "!=": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}
	return truthOperand(truthOf(is[op]))
}

func (e *expression) sum(depth int) operand {
	v := e.product(depth)
	for {
		op := e.take("+", "-")
		if op == "" {
			return v
		}
		v = reckon(v, e.product(depth), op)
	}
}

func (e *expression) product(depth int) operand {
	v := e.single(depth)
	for {
		op := e.take("*", "/")
		if op == "" {
			return v
		}
		v = reckon(v, e.single(depth), op)
	}
}

func reckon(a, b operand, op string) operand {
	if a.unknown || b.unknown || a.isText || b.isText || op == "/" && b.number == 0 {
		return unknownOperand
	}
	switch op {
	case "+":
		a.number += b.number
	case "-":
		a.number -= b.number
	case "*":
		a.number *= b.number
	case "/":
		a.number /= b.number
	}
	return a
}

func (e *expression) single(depth int) operand {
	if len(e.tokens) == 0 || depth > maxDepth {
		e.failed = true
		return unknownOperand
	}
	t := e.tokens[0]
	e.tokens = e.tokens[1:]
	switch {
	case t == "!":
		return truthOperand(not(e.single(depth + 1).truth()))
	case t == "-":
		return reckon(operand{}, e.single(depth+1), "-")
	case t == "(":
		v := e.logical(depth + 1)
		if e.take(")") == "" {
			e.failed = true
		}
		return v
	case !known(t):
		return unknownOperand
	case t[0] == '"':
		return operand{isText: true, text: strings.Trim(t, `"`)}
	}
	n, err := strconv.Atoi(t)
	if err != nil {
		return unknownOperand // a bare word, which rpm's ages read in different ways
	}
	return operand{number: n}
}
