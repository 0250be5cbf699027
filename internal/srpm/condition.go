// SPDX-License-Identifier: GPL-2.0-only

package srpm

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	conditionLine = regexp.MustCompile(`^\s*%(ifarch|ifnarch|ifos|ifnos|if|elifarch|elifos|elif)\b(.*)$`)
	token         = regexp.MustCompile(`^\s*(\d+|"[^"]*"|&&|\|\||==|!=|<=|>=|[<>!()+*/-])`)
)

// condition tells whether a line that begins with %if or %elif is true.
func (m macros) condition(text string) truth {
	match := conditionLine.FindStringSubmatch(text)
	if match == nil {
		return cannotTell
	}
	value, ok := m.expand(strings.TrimSuffix(strings.TrimSpace(match[2]), `\`))
	if !ok {
		return cannotTell
	}
	kind := strings.TrimPrefix(match[1], "el")
	is := func(macro string) truth {
		words := strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
		return truthOf(slices.Contains(words, m[macro].body))
	}
	switch kind {
	case "ifarch":
		return is("_target_cpu")
	case "ifnarch":
		return not(is("_target_cpu"))
	case "ifos":
		return is("_target_os")
	case "ifnos":
		return not(is("_target_os"))
	}
	e := expression{rest: value}
	result := e.or()
	if e.failed || strings.TrimSpace(e.rest) != "" {
		return cannotTell
	}
	return truthOf(result.holds())
}

// expression reads rpm's expressions over numbers and quoted strings.
type expression struct {
	rest   string
	failed bool
}

type operand struct {
	number int
	text   string
	isText bool
}

func (o operand) holds() bool { return o.number != 0 || o.isText && o.text != "" }

func boolean(b bool) operand {
	if b {
		return operand{number: 1}
	}
	return operand{}
}

// take reads one of the tokens, or gives "".
func (e *expression) take(want ...string) string {
	m := token.FindStringSubmatch(e.rest)
	if m == nil || !slices.Contains(want, m[1]) {
		return ""
	}
	e.rest = e.rest[len(m[0]):]
	return m[1]
}

func (e *expression) or() operand {
	v := e.and()
	for e.take("||") != "" {
		w := e.and()
		v = boolean(v.holds() || w.holds())
	}
	return v
}

func (e *expression) and() operand {
	v := e.compare()
	for e.take("&&") != "" {
		w := e.compare()
		v = boolean(v.holds() && w.holds())
	}
	return v
}

func (e *expression) compare() operand {
	v := e.sum()
	for {
		op := e.take("==", "!=", "<=", ">=", "<", ">")
		if op == "" {
			return v
		}
		w := e.sum()
		if v.isText != w.isText {
			e.failed = true
		}
		sign := v.number - w.number
		if v.isText {
			sign = strings.Compare(v.text, w.text)
		}
		v = boolean(map[string]bool{
			"==": sign == 0, "!=": sign != 0, "<=": sign <= 0, ">=": sign >= 0, "<": sign < 0, ">": sign > 0,
		}[op])
	}
}

func (e *expression) sum() operand {
	v := e.product()
	for {
		switch e.take("+", "-") {
		case "+":
			v.number += e.product().number
		case "-":
			v.number -= e.product().number
		default:
			return v
		}
	}
}

func (e *expression) product() operand {
	v := e.single()
	for {
		op := e.take("*", "/")
		if op == "" {
			return v
		}
		w := e.single()
		switch {
		case op == "*":
			v.number *= w.number
		case w.number == 0:
			e.failed = true
		default:
			v.number /= w.number
		}
	}
}

func (e *expression) single() operand {
	if e.take("!") != "" {
		return boolean(!e.single().holds())
	}
	if e.take("-") != "" {
		return operand{number: -e.single().number}
	}
	if e.take("(") != "" {
		v := e.or()
		if e.take(")") == "" {
			e.failed = true
		}
		return v
	}
	m := token.FindStringSubmatch(e.rest)
	if m == nil {
		e.failed = true
		return operand{}
	}
	e.rest = e.rest[len(m[0]):]
	if m[1][0] == '"' {
		return operand{text: strings.Trim(m[1], `"`), isText: true}
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		e.failed = true
	}
	return operand{number: n}
}
