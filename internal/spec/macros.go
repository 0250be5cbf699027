// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"strings"
)

// unknownText stands in an expansion for what only rpmbuild knows.
const unknownText = "\x00"

// known tells whether all of an expansion could be told.
func known(text string) bool { return !strings.Contains(text, unknownText) }

// maxExpansion is how many bytes one expansion may read, of its text and of the bodies it
// leads to. It ends macros that lead to themselves or double each time; specs in use take
// some hundreds.
const maxExpansion = 64 << 10

// maxExpansions is the same for a whole spec, which may have such a macro in each line. The
// longest of 66 specs in use read 171 KB.
const maxExpansions = 4 << 20

// macro is a macro as it stands at one line of a spec.
type macro struct {
	body    string // with unknownText where only rpmbuild knows it
	defined truth
	line    int // of the spec, from 1; 0 for what does not come from the spec
}

// macros are those that a spec and the options of rpmbuild define. They are expanded as
// rpm does it, but for what runs programs, which is not done.
type macros struct {
	values map[string]macro
	line   int   // of the text in hand
	live   truth // whether that text is read
	left   int   // bytes that its expansion may still read
	spent  int   // bytes that all expansions read
	// anyBuild is for what must hold however the package is built: on any machine, and with
	// any --with and --without.
	anyBuild bool
}

func (m *macros) defined(name string) truth {
	if d, ok := m.values[name]; ok {
		return d.defined
	}
	if foreignMacro.MatchString(name) && (m.anyBuild || !optionMacro.MatchString(name)) {
		return cannotTell
	}
	return no
}

// set defines a macro, as far as the text in hand is read.
func (m *macros) set(name, body string) { m.become(name, macro{body, yes, m.line}) }

func (m *macros) become(name string, d macro) {
	if m.live == no {
		return
	}
	if m.live == cannotTell {
		d.body = unknownText
		if m.defined(name) != d.defined {
			d.defined = cannotTell
		}
	}
	m.values[name] = d
}

// unsure makes a macro one that may be defined, or be another.
func (m *macros) unsure(name string) {
	live := m.live
	m.live = and(live, cannotTell)
	m.set(name, unknownText)
	m.live = live
}

// forget makes what a text would define unsure.
func (m *macros) forget(text string) {
	for _, f := range anyDefinition.FindAllStringSubmatch(text, -1) {
		m.unsure(f[1])
	}
}

// expand returns text with its macros expanded. Definitions in it take effect.
func (m *macros) expand(text string) string {
	m.left = min(maxExpansion, maxExpansions-m.spent)
	all := m.left
	text = m.expanded(text)
	m.spent += all - max(m.left, 0)
	return text
}

var (
	bareMacro     = regexp.MustCompile(`^[?!]*\w+`)
	directive     = regexp.MustCompile(`^(define|global|undefine|bcond|bcond_with|bcond_without)$`)
	macroCall     = regexp.MustCompile(`(?s)^([?!]*)(\w+)(:?)(.*)$`)
	parameter     = regexp.MustCompile(`^\d+$`)
	anyDefinition = regexp.MustCompile(`%(?:define|global)\s+(\w+)`)
	oneDefinition = regexp.MustCompile(`(?s)^(define|global)\s+(\w+)(\([^)]*\))?(.*)$`)
	undefinition  = regexp.MustCompile(`^undefine\s+(\w+)`)
	buildOption   = regexp.MustCompile(`^(bcond|bcond_with|bcond_without)\s+(\w+)(.*)$`)
)

// expanded is expand within another expansion.
func (m *macros) expanded(text string) string {
	if m.left -= 1 + len(text); m.left < 0 {
		return unknownText
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if rest == "" {
			return b.String() + "%"
		}
		switch c := rest[0]; c {
		case '%':
			b.WriteByte('%')
			text = rest[1:]
		case '{', '(', '[':
			inner, after, ok := braced(rest, c, map[byte]byte{'{': '}', '(': ')', '[': ']'}[c])
			switch {
			case !ok:
				m.forget(rest)
				return b.String() + unknownText
			case c == '{':
				b.WriteString(m.call(inner, "%{"+inner+"}"))
			default:
				b.WriteString(unknownText) // a shell command, or an expression of newer rpm
			}
			text = after
		default:
			word := bareMacro.FindString(rest)
			switch {
			case word == "":
				b.WriteByte('%')
			case directive.MatchString(word):
				m.direct(rest) // it takes the rest of the line
				return b.String()
			default:
				b.WriteString(m.call(word, "%"+word))
			}
			text = rest[len(word):]
		}
	}
}

// braced cuts text, which begins with open, behind the matching end.
func braced(text string, open, end byte) (inner, rest string, ok bool) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case open:
			depth++
		case end:
			if depth--; depth == 0 {
				return text[1:i], text[i+1:], true
			}
		}
	}
	return "", "", false
}

// call expands the inside of %{...}; written is what rpm leaves of an undefined macro.
func (m *macros) call(inner, written string) string {
	f := macroCall.FindStringSubmatch(inner)
	if f == nil || parameter.MatchString(f[2]) {
		return unknownText
	}
	marks, name, colon, rest := f[1], f[2], f[3], f[4]
	absent := strings.Count(marks, "!")%2 == 1
	conditional := strings.Contains(marks, "?")
	word := strings.TrimSpace(rest)
	switch {
	case name == "expand" && colon != "":
		return m.expanded(m.expanded(rest))
	case name == "with" && colon == "":
		return m.defined("with_" + word).digit()
	case name == "without" && colon == "":
		return not(m.defined("with_" + word)).digit()
	case name == "defined" && colon == "":
		return m.defined(word).digit()
	case name == "undefined" && colon == "":
		return not(m.defined(word)).digit()
	case (name == "P" || name == "S") && colon != "":
		name = map[string]string{"P": "PATCH", "S": "SOURCE"}[name] + word
		return m.value(name, written)
	case conditional && colon != "":
		wanted := m.defined(name)
		if absent {
			wanted = not(wanted)
		}
		switch wanted {
		case yes:
			return m.expanded(rest)
		case cannotTell:
			m.forget(rest)
			return unknownText
		}
		return ""
	case colon != "" || word != "":
		return unknownText // a macro with arguments, or one that rpm is born with
	case conditional && absent:
		return ""
	case conditional:
		return m.value(name, "")
	}
	return m.value(name, written)
}

// value is what a macro stands for, or without it what rpm puts there.
func (m *macros) value(name, without string) string {
	switch m.defined(name) {
	case yes:
		return m.expanded(m.values[name].body)
	case cannotTell:
		return unknownText
	}
	return without
}

// direct obeys what follows the % of a definition or its like, up to the line's end.
func (m *macros) direct(text string) {
	if f := oneDefinition.FindStringSubmatch(text); f != nil {
		body := strings.TrimSpace(f[4])
		switch {
		case f[3] != "" || strings.HasSuffix(body, `\`) || balance(body) != 0:
			body = unknownText // it takes arguments, or spans lines
		case f[1] == "global":
			body = m.expanded(body)
		}
		m.set(f[2], body)
	} else if f := undefinition.FindStringSubmatch(text); f != nil {
		if m.live == yes {
			delete(m.values, f[1]) // a distribution's own may come to light
		} else {
			m.become(f[1], macro{defined: no, line: m.line})
		}
	} else if f := buildOption.FindStringSubmatch(text); f != nil {
		m.option(f[1], f[2], f[3])
	}
}

// option follows %bcond and its older forms: with_NAME is defined where the option is on.
func (m *macros) option(kind, name, value string) {
	standard := no
	switch kind {
	case "bcond_without":
		standard = yes
	case "bcond":
		standard = condition(m.expanded(value))
	}
	switch or(m.defined("_with_"+name), and(standard, not(m.defined("_without_"+name)))) {
	case yes:
		m.set("with_"+name, "1")
	case cannotTell:
		m.unsure("with_" + name)
	}
}
