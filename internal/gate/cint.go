// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"strconv"
	"strings"
)

// integer is an integer type of C. The zero value is int.
type integer struct {
	bits     int // 0 for 32
	unsigned bool
}

func (t integer) width() int {
	if t.bits == 0 {
		return 32
	}
	return t.bits
}

// promoted is the type that an operand is calculated in: nothing is narrower than int.
func (t integer) promoted() integer {
	if t.width() < 32 {
		return integer{}
	}
	return t
}

// wrap is what becomes of a number in a type. One of 64 bits without a sign is kept as its bits.
func (t integer) wrap(n int64) int64 {
	switch bits := t.width(); {
	case bits == 64:
		return n
	case t.unsigned:
		return n & (1<<bits - 1)
	default:
		return n << (64 - bits) >> (64 - bits)
	}
}

// of is a number in a type.
func (t integer) of(n int64) value { return value{n: t.wrap(n), in: t} }

// common is the type in which two operands meet.
func common(a, b integer) integer {
	a, b = a.promoted(), b.promoted()
	switch {
	case a.width() > b.width():
		return a
	case a.width() < b.width():
		return b
	}
	return integer{bits: a.bits, unsigned: a.unsigned || b.unsigned}
}

// literalNumber reads a number, or a character.
func literalNumber(s string) (value, bool) {
	if s[0] == '\'' {
		text, err := strconv.Unquote(s)
		if err != nil || len(text) != 1 {
			return octal(s)
		}
		return num(int64(int8(text[0]))), true
	}
	bare := strings.TrimRight(s, "uUlL")
	suffix := strings.ToLower(s[len(bare):])
	u, err := strconv.ParseUint(bare, 0, 64)
	if err != nil {
		return value{}, false
	}
	n := int64(u)
	t := integer{unsigned: strings.Contains(suffix, "u")}
	decimal := bare == "0" || bare[0] != '0'
	if strings.Contains(suffix, "l") || u > 1<<32-1 || u > 1<<31-1 && decimal && !t.unsigned {
		t.bits = 64
	} else if u > 1<<31-1 {
		t.unsigned = true
	}
	if u > 1<<63-1 {
		t.unsigned = true
	}
	return t.of(n), true
}

// octal reads a character of C that Go spells otherwise: '\0' above all.
func octal(s string) (value, bool) {
	digits, ok := strings.CutPrefix(strings.Trim(s, "'"), `\`)
	n, err := strconv.ParseUint(digits, 8, 7)
	return num(int64(n)), ok && err == nil
}

// calculate works out an operator of two numbers, as C does. ok is false where it is not known
// what comes out.
func calculate(op string, a, b value) (_ value, ok bool) {
	if a.sign != "" || b.sign != "" {
		return signs(op, a, b)
	}
	if op == "<<" || op == ">>" {
		t := a.in.promoted()
		if b.n < 0 || b.n > 31 || a.n < 0 {
			return value{}, false // more than all machines agree on
		}
		if op == "<<" {
			return t.of(a.n << b.n), true
		}
		return t.of(int64(uint64(a.n) >> b.n)), true
	}
	t := common(a.in, b.in)
	x, y := t.wrap(a.n), t.wrap(b.n)
	if is, ok := compareNumbers(op, x, y, t.unsigned); ok {
		return truth(is), true
	}
	switch op {
	case "|":
		return t.of(x | y), true
	case "&":
		return t.of(x & y), true
	case "^":
		return t.of(x ^ y), true
	case "+":
		return t.of(x + y), true
	case "-":
		return t.of(x - y), true
	case "*":
		return t.of(x * y), true
	case "/", "%":
		return divide(op, x, y, t)
	}
	return value{}, false
}

func divide(op string, x, y int64, t integer) (value, bool) {
	switch {
	case y == 0:
		return value{}, false
	case t.unsigned && op == "/":
		return t.of(int64(uint64(x) / uint64(y))), true
	case t.unsigned:
		return t.of(int64(uint64(x) % uint64(y))), true
	case op == "/":
		return t.of(x / y), true
	}
	return t.of(x % y), true
}

// compareNumbers works out a comparison. ok is false for other operators.
func compareNumbers(op string, x, y int64, unsigned bool) (is, ok bool) {
	less, more := x < y, x > y
	if unsigned {
		less, more = uint64(x) < uint64(y), uint64(x) > uint64(y)
	}
	switch op {
	case "==":
		return x == y, true
	case "!=":
		return x != y, true
	case "<":
		return less, true
	case ">":
		return more, true
	case "<=":
		return !more, true
	case ">=":
		return !less, true
	}
	return false, false
}

// signs compares with 0 what strcmp() or the like returned. Nobody promises more of it than whether it
// is less, or more.
func signs(op string, a, b value) (value, bool) {
	if a.sign != "" && b.sign != "" || a.sign == "" && a.n != 0 || b.sign == "" && b.n != 0 || a.in.unsigned || b.in.unsigned {
		return value{}, false
	}
	is, ok := compareNumbers(op, a.n, b.n, false)
	return truth(is), ok
}
