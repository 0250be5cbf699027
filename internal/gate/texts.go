// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"strings"
)

// length is a size_t.
func length(n int) value { return integer{64, true}.of(int64(n)) }

// knownTexts works out the functions of which the arguments, all texts and numbers, say what they
// return. ok is false where it does not know.
func knownTexts(name string, args []value) (v value, ok bool) {
	if len(args) == 1 && name == "strlen" && isPlainText(args[0]) {
		return length(len(args[0].s)), true
	}
	if len(args) < 2 || !isPlainText(args[0]) || !isPlainText(args[1]) {
		return v, false
	}
	a, b := args[0].s, args[1].s
	switch name {
	case "strstr":
		return truth(strings.Contains(a, b)), true
	case "strstarts":
		return truth(strings.HasPrefix(a, b)), true
	case "str_has_prefix":
		if strings.HasPrefix(a, b) {
			return length(len(b)), true
		}
		return length(0), true
	}
	return compareTexts(name, a, b, args)
}

// compareTexts works out strcmp() and its like, of which only the sign counts.
func compareTexts(name, a, b string, args []value) (v value, ok bool) {
	switch name {
	case "strcmp", "strcasecmp":
		ok = len(args) == 2
	case "strncmp", "strncasecmp":
		if ok = len(args) == 3 && args[2].kind == isNumber && args[2].sign == "" && args[2].n >= 0; !ok {
			return v, false
		}
		a, b = a[:min(int64(len(a)), args[2].n)], b[:min(int64(len(b)), args[2].n)]
	}
	if !ok {
		return v, false
	}
	if strings.Contains(name, "case") {
		a, b = strings.ToLower(a), strings.ToLower(b)
	}
	v = num(int64(strings.Compare(a, b)))
	if v.n != 0 {
		all := make([]string, len(args))
		for i := range args {
			all[i] = args[i].String()
		}
		v.sign = fmt.Sprintf("%s(%s)", name, strings.Join(all, ", "))
	}
	return v, true
}

// isPlainText reports whether all of a text is known: no name stands before it, and it ends where it seems to.
func isPlainText(v value) bool {
	return v.kind == isText && v.level == "" && !strings.Contains(v.s, "\x00")
}

// letter is what stands at a place of a text, its end included. ok is false behind that.
func letter(text value, at int64) (_ value, ok bool) {
	switch n := int64(len(text.s)); {
	case !isPlainText(text) || at < 0 || at > n:
		return value{}, false
	case at == n:
		return num(0), true
	}
	return num(int64(int8(text.s[at]))), true
}

// textFrom is a text from a place on.
func textFrom(text value, at int64) (_ value, ok bool) {
	if !isPlainText(text) || at < 0 || at > int64(len(text.s)) {
		return value{}, false
	}
	text.s = text.s[at:]
	return text, true
}

// further is a text with a number added to its place.
func further(op string, a, b value) (_ value, ok bool) {
	if b.kind == isText {
		a, b = b, a
	}
	if op != "+" || a.kind != isText || b.kind != isNumber || b.sign != "" {
		return value{}, false
	}
	return textFrom(a, b.n)
}
