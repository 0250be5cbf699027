// SPDX-License-Identifier: GPL-2.0-only

package srpm

import (
	"regexp"
	"strings"
)

// unknownText stands in an expansion for what only rpmbuild knows.
const unknownText = "\x00"

// Bounds of one expansion: macros that call each other can grow without end.
const (
	maxExpansions = 2000
	maxExpanded   = 64 << 10 // bytes
)

// foreignMacro are names that a distribution's own macro files may define, so that a
// spec's text does not say whether they are. Any other name that the spec does not define
// is taken as undefined: rpmbuild is run without the user's macros.
var foreignMacro = regexp.MustCompile(`^(_.*|rhel|fedora|fedora_version|centos|centos_ver|centos_version|el\d+.*|fc\d+|rhel_version|suse_version|sle_version|is_opensuse|sles_version|amzn|amzn\d|vl\d*|vzlinux|vz\d+|dist|distribution|distro|disttag|vendor|packager|rhl|redhat|ol\d+|almalinux|rocky|epel|openEuler|python\d?_.*|kernel_.*|optflags|build_.*|debug_package|buildroot|nproc)$`)

// commandLineMacro are names of --with and --without, which nobody gives here.
var commandLineMacro = regexp.MustCompile(`^_with(out)?_`)

// ownMacros are the macros known at one line of a spec. A value holds unknownText where only
// rpmbuild knows it.
type ownMacros struct {
	values map[string]string
	left   int // expansions that the text in hand may still take
}

// newMacros gives what rpmbuild defines for a target, and what it is told.
func newMacros(target string, defines []string) *ownMacros {
	m := &ownMacros{values: map[string]string{
		"nil": "", "_target_os": "linux", "_os": "linux", "_default_patch_fuzz": "0",
		"_target_cpu": target, "_arch": target,
		"ix86": "i386 i486 i586 i686 pentium3 pentium4 athlon geode",
	}}
	if isIX86(target) {
		m.values["_arch"] = "i386"
	}
	for _, other := range []string{"arm", "arm32", "arm64", "mips", "mips32", "mips64", "power64", "sparc", "alpha", "riscv", "riscv64", "loongarch64", "s390"} {
		m.values[other] = other
	}
	for _, d := range defines {
		name, value, _ := strings.Cut(d, " ")
		m.values[name] = strings.TrimSpace(value)
	}
	return m
}

func isIX86(cpu string) bool {
	return len(cpu) == 4 && cpu[0] == 'i' && cpu[2:] == "86"
}

// defined tells whether a macro is defined.
func (m *ownMacros) defined(name string) truth {
	if _, ok := m.values[name]; ok {
		return yes
	}
	if foreignMacro.MatchString(name) && !commandLineMacro.MatchString(name) {
		return cannotTell
	}
	return no
}

// expand gives text with its macros expanded, as rpmbuild does, but for what runs
// something. Definitions in it take effect.
func (m *ownMacros) expand(text string) string {
	m.left = maxExpansions
	return m.expanded(text, 0)
}

func (m *ownMacros) expanded(text string, depth int) string {
	if depth > 32 {
		return unknownText
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		at := strings.IndexByte(text[i:], '%')
		if at < 0 || at == len(text)-i-1 {
			b.WriteString(text[i:])
			break
		}
		b.WriteString(text[i : i+at])
		i += at + 1
		if m.left--; m.left < 0 || b.Len() > maxExpanded {
			return unknownText
		}
		switch c := text[i]; {
		case c == '%':
			b.WriteByte('%')
			i++
		case c == '{':
			body, rest, ok := braced(text[i:], '{', '}')
			if !ok {
				return b.String() + unknownText
			}
			b.WriteString(m.call(body, depth))
			i = len(text) - len(rest)
		case c == '(', c == '[':
			// A shell command, or an expression of newer rpm.
			_, rest, ok := braced(text[i:], c, map[byte]byte{'(': ')', '[': ']'}[c])
			b.WriteString(unknownText)
			if !ok {
				return b.String()
			}
			i = len(text) - len(rest)
		default:
			word := bareMacro.FindString(text[i:])
			if word == "" {
				b.WriteByte('%')
				break
			}
			i += len(word)
			if directive.MatchString(word) {
				// The line is the directive's; who reads lines has seen it.
				return b.String()
			}
			if value := m.call(word, depth); value == "%{"+word+"}" {
				b.WriteString("%" + word)
			} else {
				b.WriteString(value)
			}
		}
	}
	return b.String()
}

var (
	bareMacro = regexp.MustCompile(`^[?!]*\w+`)
	directive = regexp.MustCompile(`^(define|global|undefine|bcond_with|bcond_without|bcond)$`)
	macroCall = regexp.MustCompile(`(?s)^([?!]*)(\w+)(:?)(.*)$`)
	parameter = regexp.MustCompile(`^\d+$`)
)

// braced cuts text, which begins with open, behind the matching end.
func braced(text string, open, end byte) (body, rest string, ok bool) {
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

// call expands the inside of %{...}.
func (m *ownMacros) call(body string, depth int) string {
	f := macroCall.FindStringSubmatch(body)
	if f == nil || parameter.MatchString(f[2]) {
		return unknownText
	}
	flags, name, colon, rest := f[1], f[2], f[3], f[4]
	absent := strings.Count(flags, "!")%2 == 1
	word := strings.TrimSpace(rest)
	switch {
	case name == "expand" && colon != "":
		return m.expanded(m.expanded(rest, depth+1), depth+1)
	case name == "with" && colon == "":
		return m.defined("with_" + word).digit()
	case name == "without" && colon == "":
		return not(m.defined("with_" + word)).digit()
	case name == "defined" && colon == "":
		return m.defined(word).digit()
	case name == "undefined" && colon == "":
		return not(m.defined(word)).digit()
	case (name == "P" || name == "S") && colon != "":
		return m.call(map[string]string{"P": "PATCH", "S": "SOURCE"}[name]+word, depth)
	}
	there := m.defined(name)
	switch {
	case strings.Contains(flags, "?") && colon != "":
		want := there
		if absent {
			want = not(there)
		}
		if want == cannotTell {
			m.forget(rest)
			return unknownText
		}
		if want == no {
			return ""
		}
		if line := strings.TrimSpace(rest); strings.HasPrefix(line, "%") && m.define(line, yes, depth+1) {
			return ""
		}
		return m.expanded(rest, depth+1)
	case colon != "" || word != "":
		return unknownText // a macro with arguments, or one that rpm is born with
	case there == yes:
		return m.expanded(m.values[name], depth+1)
	case there == cannotTell:
		return unknownText
	case strings.Contains(flags, "?"):
		return ""
	}
	// rpm leaves an undefined macro as it is.
	return "%{" + body + "}"
}

// forget makes what a text defines unknown.
func (m *ownMacros) forget(text string) {
	for _, f := range anyDefinition.FindAllStringSubmatch(text, -1) {
		m.values[f[1]] = unknownText
	}
}

var (
	anyDefinition = regexp.MustCompile(`%(?:define|global)\s+(\w+)`)
	oneDefinition = regexp.MustCompile(`(?s)^[^%]*%(define|global)\s+(\w+)(\([^)]*\))?\s*(.*)$`)
)

// directive obeys a line that defines or undefines macros, and tells whether it is one.
// sure says whether the line is read at all.
func (m *ownMacros) directive(line string, sure truth) bool {
	m.left = maxExpansions
	return m.define(line, sure, 0)
}

// define is directive within an expansion.
func (m *ownMacros) define(line string, sure truth, depth int) bool {
	set := func(name, value string) {
		if sure == cannotTell {
			value = unknownText
		}
		m.values[name] = value
	}
	if f := oneDefinition.FindStringSubmatch(line); f != nil {
		value := f[4]
		switch {
		case f[3] != "" || strings.HasSuffix(value, `\`) || strings.HasPrefix(value, "{") && !strings.HasSuffix(value, "}"):
			value = unknownText // it takes arguments, or spans lines
		case f[1] == "global":
			value = m.expanded(value, depth)
		}
		set(f[2], strings.TrimSpace(value))
		return true
	}
	if f := undefinition.FindStringSubmatch(line); f != nil {
		if sure == cannotTell {
			m.values[f[1]] = unknownText
		} else {
			delete(m.values, f[1])
		}
		return true
	}
	if f := buildOption.FindStringSubmatch(line); f != nil {
		// Without --with and --without, which nobody gives, the default stands.
		switch {
		case f[1] == "bcond_without":
			set("with_"+f[2], "1")
		case f[1] == "bcond" && condition(m.expanded(f[3], depth)) != no:
			set("with_"+f[2], "1")
		}
		return true
	}
	return false
}
