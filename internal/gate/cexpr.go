// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"errors"
	"slices"

	"ovzpatch/internal/ctext"
)

// expr is a C expression.
type expr struct {
	op   string // of two operands, or one of the kinds below
	tok  token
	args []*expr
}

// Kinds of expressions that are no operator of two operands. A prefix operator is "u" and the
// operator, a member ". name" or "-> name".
const (
	number  = "number"
	literal = "literal"
	name    = "name"
	call    = "call" // the called and the arguments
	cast    = "cast"
	choice  = "?:"
	post    = "post" // x++ and x--
	index   = "[]"

	elvis   = "?:?" // a ?: b
	sizeOf  = "sizeof"
	typeArg = "type" // an argument of a macro's, or of sizeof
)

var errExpression = errors.New("an expression of a form that is not known here")

// parser reads an expression by its operators' precedence.
type parser struct {
	t     []token
	depth int
}

// expression reads all of t.
func expression(t []token) (*expr, error) { return expressionIn(t, 0) }

// expressionIn reads what stands in the brackets of another expression, which is depth deep.
func expressionIn(t []token, depth int) (*expr, error) {
	p := &parser{t: t, depth: depth}
	e, err := p.binary(0)
	if err == nil && len(p.t) > 0 {
		err = errExpression
	}
	return e, err
}

var precedence = map[string]int{
	",": 1, "=": 2, "+=": 2, "-=": 2, "*=": 2, "/=": 2, "%=": 2, "&=": 2, "|=": 2, "^=": 2, "<<=": 2, ">>=": 2, "?": 3,
	"||": 4, "&&": 5, "|": 6, "^": 7, "&": 8, "==": 9, "!=": 9, "<": 10, ">": 10, "<=": 10, ">=": 10, "<<": 11, ">>": 11,
	"+": 12, "-": 12, "*": 13, "/": 13, "%": 13,
}

// maxExpression bounds how deep expressions nest; a bracket counts twice.
const maxExpression = 2 * maxNesting

func (p *parser) binary(least int) (*expr, error) {
	if p.depth++; p.depth > maxExpression {
		return nil, errExpression
	}
	defer func() { p.depth-- }()
	left, err := p.unary()
	for err == nil && len(p.t) > 0 {
		op := p.t[0]
		strength := precedence[op.text]
		if strength == 0 || strength < least || strength == 1 && least == 1 {
			break
		}
		p.t = p.t[1:]
		if op.text == "?" && len(p.t) > 0 && p.t[0].text == ":" {
			p.t = p.t[1:]
			var no *expr
			no, err = p.binary(3)
			left = &expr{elvis, op, []*expr{left, no}}
			continue
		}
		if op.text == "?" {
			var yes, no *expr
			if yes, err = p.binary(2); err != nil {
				break
			}
			if len(p.t) == 0 || p.t[0].text != ":" {
				return nil, errExpression
			}
			p.t = p.t[1:]
			no, err = p.binary(3)
			left = &expr{choice, op, []*expr{left, yes, no}}
			continue
		}
		next := strength + 1
		if strength == 2 {
			next = 2
		}
		var right *expr
		right, err = p.binary(next)
		left = &expr{op.text, op, []*expr{left, right}}
	}
	return left, err
}

func (p *parser) take() (token, bool) {
	if len(p.t) == 0 {
		return token{}, false
	}
	t := p.t[0]
	p.t = p.t[1:]
	return t, true
}

func (p *parser) unary() (*expr, error) {
	if p.depth++; p.depth > maxExpression {
		return nil, errExpression
	}
	defer func() { p.depth-- }()
	all := p.t
	t, ok := p.take()
	if !ok {
		return nil, errExpression
	}
	switch t.text {
	case "!", "~", "-", "+", "&", "*", "++", "--":
		e, err := p.unary()
		return &expr{"u" + t.text, t, []*expr{e}}, err
	case "(":
		end := closing(all, 0)
		if end >= len(all) {
			return nil, errExpression
		}
		inner := all[1:end]
		p.t = all[end+1:]
		if isType(inner) {
			e, err := p.unary()
			return &expr{cast, token{text: spelled(inner), line: t.line}, []*expr{e}}, err
		}
		e, err := expressionIn(inner, p.depth)
		if err != nil {
			return nil, err
		}
		return p.suffix(e)
	case "sizeof":
		if len(p.t) > 1 && p.t[0].text == "(" {
			if end := closing(p.t, 0); end < len(p.t) && isType(p.t[1:end]) {
				of := &expr{op: typeArg, tok: token{text: spelled(p.t[1:end]), line: t.line}}
				p.t = p.t[end+1:]
				return &expr{sizeOf, t, []*expr{of}}, nil
			}
		}
		e, err := p.unary()
		return &expr{sizeOf, t, []*expr{e}}, err
	case "typeof":
		return nil, errExpression
	}
	switch c := t.text[0]; {
	case c >= '0' && c <= '9', c == '\'':
		return &expr{op: number, tok: t}, nil
	case c == '"' || len(p.t) > 0 && p.t[0].text[0] == '"' && ctext.NameStart(c):
		e := &expr{op: literal, tok: t, args: []*expr{{op: name, tok: t}}}
		for len(p.t) > 0 && (p.t[0].text[0] == '"' || ctext.NameStart(p.t[0].text[0])) {
			next, _ := p.take()
			e.args = append(e.args, &expr{op: name, tok: next})
		}
		return e, nil
	case ctext.NameStart(c):
		return p.suffix(&expr{op: name, tok: t})
	}
	return nil, errExpression
}

// suffix reads calls, members and the like behind an expression.
func (p *parser) suffix(e *expr) (*expr, error) {
	for len(p.t) > 0 {
		t := p.t[0]
		switch t.text {
		case "(", "[":
			end := closing(p.t, 0)
			if end >= len(p.t) {
				return nil, errExpression
			}
			inner := p.t[1:end]
			p.t = p.t[end+1:]
			op := call
			if t.text == "[" {
				op = index
			}
			e = &expr{op, e.tok, []*expr{e}}
			for _, part := range split(inner, ",") {
				if op == call && isType(part) {
					e.args = append(e.args, &expr{op: typeArg, tok: token{text: spelled(part), line: t.line}})
					continue
				}
				arg, err := expressionIn(part, p.depth)
				if err != nil {
					return nil, err
				}
				e.args = append(e.args, arg)
			}
		case ".", "->":
			if len(p.t) < 2 || !ctext.NameStart(p.t[1].text[0]) {
				return nil, errExpression
			}
			e = &expr{t.text, p.t[1], []*expr{e}}
			p.t = p.t[2:]
		case "++", "--":
			p.t = p.t[1:]
			e = &expr{post + t.text, t, []*expr{e}}
		default:
			return e, nil
		}
	}
	return e, nil
}

// typeWords begin a type. What else is a type is told by its asterisk.
var typeWords = []string{
	"struct", "union", "enum", "const", "volatile", "static", "register", "unsigned", "signed", "int", "long", "short", "char", "bool", "void",
	"u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "size_t", "loff_t", "dev_t", "envid_t", "uid_t", "gid_t", "pid_t",
}

func isType(t []token) bool {
	return len(t) > 0 && (slices.Contains(typeWords, t[0].text) || len(t) > 1 && t[len(t)-1].text == "*" && ctext.NameStart(t[0].text[0]))
}
