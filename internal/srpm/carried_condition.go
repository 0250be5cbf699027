// SPDX-License-Identifier: GPL-2.0-only

package srpm

import (
	"regexp"
	"strconv"
	"strings"
)

func (t truth) digit() string {
	switch t {
	case no:
		return "0"
	case yes:
		return "1"
	}
	return unknownText
}

// value is a number or a string of an expression of rpm, or what nobody knows.
type value struct {
	unknown bool
	text    string
	number  int
	isText  bool
}

var unknownValue = value{unknown: true}

func (v value) truth() truth {
	switch {
	case v.unknown:
		return cannotTell
	case v.isText:
		return truthOf(v.text != "")
	}
	return truthOf(v.number != 0)
}

func truthValue(t truth) value {
	if t == cannotTell {
		return unknownValue
	}
	return value{number: int(t) / int(yes)}
}

var conditionToken = regexp.MustCompile(`^\s*("[^"]*"|&&|\|\||[=!<>]=|[!<>()+*/?:-]|[^\s"&|=!<>()+*/?:-]+)`)

// condition evaluates what stands behind %if, with its macros expanded already. What it
// cannot read is cannotTell.
func condition(text string) truth {
	p := threeValued{}
	for rest := strings.TrimSpace(text); rest != ""; {
		m := conditionToken.FindString(rest)
		if m == "" {
			return cannotTell
		}
		p.tokens = append(p.tokens, strings.TrimSpace(m))
		rest = strings.TrimSpace(rest[len(m):])
	}
	v := p.logical(0)
	if p.failed || len(p.tokens) > 0 {
		return cannotTell
	}
	return v.truth()
}

// threeValued reads tokens by rpm's grammar.
type threeValued struct {
	tokens []string
	failed bool
}

func (p *threeValued) next(want ...string) (string, bool) {
	if len(p.tokens) == 0 {
		return "", false
	}
	for _, w := range want {
		if p.tokens[0] == w {
			p.tokens = p.tokens[1:]
			return w, true
		}
	}
	return "", false
}

// logical reads && and ||, which rpm takes from the left with the same rank.
func (p *threeValued) logical(depth int) value {
	v := p.relation(depth)
	for {
		op, ok := p.next("&&", "||")
		if !ok {
			return v
		}
		a, b := v.truth(), p.relation(depth).truth()
		if op == "&&" {
			v = truthValue(min(a, b))
		} else {
			v = truthValue(max(a, b))
		}
	}
}

func (p *threeValued) relation(depth int) value {
	v := p.sum(depth)
	for {
		op, ok := p.next("==", "!=", "<=", ">=", "<", ">")
		if !ok {
			return v
		}
		v = compare(v, p.sum(depth), op)
	}
}

func compare(a, b value, op string) value {
	if a.unknown || b.unknown || a.isText != b.isText {
		return unknownValue
	}
	order := a.number - b.number
	if a.isText {
		order = strings.Compare(a.text, b.text)
	}
	is := map[string]bool{"==": order == 0, "!=": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}
	return truthValue(truthOf(is[op]))
}

// sum reads + and -; products are as rare in specs as they look.
func (p *threeValued) sum(depth int) value {
	v := p.primary(depth)
	for {
		op, ok := p.next("+", "-")
		if !ok {
			return v
		}
		w := p.primary(depth)
		switch {
		case v.unknown || w.unknown || v.isText || w.isText:
			v = unknownValue
		case op == "+":
			v.number += w.number
		default:
			v.number -= w.number
		}
	}
}

func (p *threeValued) primary(depth int) value {
	if len(p.tokens) == 0 || depth > 64 {
		p.failed = true
		return unknownValue
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	switch {
	case token == "!":
		return truthValue(not(p.primary(depth + 1).truth()))
	case token == "(":
		v := p.logical(depth + 1)
		if _, ok := p.next(")"); !ok {
			p.failed = true
		}
		return v
	case strings.Contains(token, unknownText):
		return unknownValue
	case token[0] == '"':
		return value{isText: true, text: strings.Trim(token, `"`)}
	}
	n, err := strconv.Atoi(token)
	if err != nil {
		return unknownValue // a bare word, which rpm's ages read in different ways
	}
	return value{number: n}
}

// machineCondition evaluates %ifarch and its kind for a target.
func machineCondition(keyword, args, cpu string) truth {
	want := cpu
	if strings.HasSuffix(keyword, "os") {
		want = "linux"
	}
	is := no
	for _, word := range strings.FieldsFunc(args, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
		switch {
		case word == want:
			is = yes
		case strings.Contains(word, unknownText):
			is = max(is, cannotTell)
		}
	}
	if strings.HasPrefix(keyword, "ifn") {
		return not(is)
	}
	return is
}
