// SPDX-License-Identifier: GPL-2.0-only

package srpm

import (
	"regexp"
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

// macro is a macro's body, as far as it can be told.
type macro struct {
	body    string
	known   bool  // the body is text that expand understands
	defined truth // cannotTell where a condition that cannot be told hides it
	line    int   // of the spec, from 0; -1 for what does not come from the spec
}

// macros are those that a spec and the options of rpmbuild define. They are expanded as
// rpm does it, but for what runs programs, which is not done: then the result is not known.
type macros map[string]macro

// baseMacros are rpm's own that kernel specs ask for.
func baseMacros(target string) macros {
	m := macros{}
	for name, body := range map[string]string{
		"nil": "", "_target_cpu": target, "_target_os": "linux",
		"ix86": "i386 i486 i586 i686 pentium3 pentium4 athlon geode",
		"arm":  "armv3l armv4b armv4l armv4tl armv5b armv5l armv5teb armv5tel armv5tejl armv6l armv6hl armv7l armv7hl armv7hnl armv8l armv8hl armv8hnl armv8hcnl",
	} {
		m[name] = macro{body: body, known: true, defined: yes, line: -1}
	}
	return m
}

// maxExpansion is how many bytes of bodies one expansion may read. It ends macros that
// lead to themselves or double each time; specs in use take some hundreds.
const maxExpansion = 64 << 10

var (
	macroName = regexp.MustCompile(`^[A-Za-z_]\w*`)
	withMacro = regexp.MustCompile(`^(with|without)\s+(\w+)$`)
)

// expand gives the text with its macros expanded, and whether that could be told.
func (m macros) expand(text string) (string, bool) {
	left := maxExpansion
	return m.expandWithin(text, &left)
}

func (m macros) expandWithin(text string, left *int) (string, bool) {
	if *left -= 1 + len(text); *left < 0 {
		return "", false
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		var value string
		ok := true
		switch {
		case strings.HasPrefix(rest, "%"):
			value, text = "%", rest[1:]
		case strings.HasPrefix(rest, "{"):
			end := closing(rest)
			if end < 0 {
				return "", false
			}
			value, ok = m.braced(rest[1:end], left)
			text = rest[end+1:]
		default:
			marks := rest[:len(rest)-len(strings.TrimLeft(rest, "?!"))]
			name := macroName.FindString(rest[len(marks):])
			if name == "" {
				return "", false // %(...), %[...], an argument
			}
			value, ok = m.value(marks, name, left)
			text = rest[len(marks)+len(name):]
		}
		if !ok {
			return "", false
		}
		b.WriteString(value)
	}
}

// closing gives the place of the brace that closes the one text begins with.
func closing(text string) int {
	open := 0
	for i, c := range text {
		switch c {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// braced expands what stood between the braces of %{...}.
func (m macros) braced(inner string, left *int) (string, bool) {
	if w := withMacro.FindStringSubmatch(inner); w != nil {
		has := m.defined("with_" + w[2])
		if w[1] == "without" {
			has = not(has)
		}
		return map[truth]string{no: "0", yes: "1"}[has], has != cannotTell
	}
	marks := inner[:len(inner)-len(strings.TrimLeft(inner, "?!"))]
	name := macroName.FindString(inner[len(marks):])
	rest := inner[len(marks)+len(name):]
	switch {
	case name == "":
		return "", false
	case rest == "":
		return m.value(marks, name, left)
	case rest[0] == ':' && strings.Contains(marks, "?"):
		switch m.wanted(marks, name) {
		case yes:
			return m.expandWithin(rest[1:], left)
		case no:
			return "", true
		}
	}
	return "", false // %{lua:...}, %{expand:...}, a macro with arguments
}

// value is what %name or, with marks, %{?name} stands for.
func (m macros) value(marks, name string, left *int) (string, bool) {
	conditional := strings.Contains(marks, "?")
	if conditional && strings.Contains(marks, "!") {
		return "", true
	}
	switch d := m[name]; {
	case d.defined == yes && d.known:
		return m.expandWithin(d.body, left)
	case d.defined == no && conditional:
		return "", true
	}
	return "", false
}

// wanted tells whether %{?name:text} or %{!?name:text} gives its text.
func (m macros) wanted(marks, name string) truth {
	if strings.Count(marks, "!")%2 == 1 {
		return not(m.defined(name))
	}
	return m.defined(name)
}

func (m macros) defined(name string) truth { return m[name].defined }
