// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	rpmCommand  = regexp.MustCompile(`^(setup|autosetup|autopatch|patch\d*)$`)
	rpmProgram  = regexp.MustCompile(`^__([a-z]\w*)$`)
	rpmFile     = regexp.MustCompile(`(?i)^(PATCH|SOURCE)(\d*)$`)
	rpmList     = regexp.MustCompile(`^(patches|sources)$`)
	commandEdge = regexp.MustCompile(`(^|;|&&|\|\||[|({]|\bthen|\bdo|\belse)\s*$`)
)

// atCommand tells whether what comes next in the text begins a command.
func (w *scriptWriter) atCommand() bool {
	line := w.b[bytes.LastIndexByte(w.b, '\n')+1:]
	return commandEdge.Match(line)
}

// expand writes text with its macros expanded.
func (w *scriptWriter) expand(text string) {
	if w.left -= 1 + len(text); w.left < 0 {
		return
	}
	for {
		before, rest, found := strings.Cut(text, "%")
		w.put(plain(before))
		if !found {
			return
		}
		if rest == "" {
			w.put("%")
			return
		}
		switch c := rest[0]; c {
		case '%':
			w.put("%")
			text = rest[1:]
		case '{', '(', '[':
			inner, after, ok := braced(rest, c, map[byte]byte{'{': '}', '(': ')', '[': ']'}[c])
			if !ok {
				w.put(w.mark(markMacro, "%"+rest))
				return
			}
			if c == '{' {
				w.call(inner, after)
			} else {
				w.put(w.mark(markMacro, "%"+rest[:len(rest)-len(after)]))
			}
			text = after
		default:
			text = w.word(rest)
		}
	}
}

// plain is text without the characters that are marks, and without what is no text.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= firstMark && r <= lastMark || r == utf8.RuneError || r == 0 || r == '\r' {
			return '_'
		}
		return r
	}, text)
}

// word writes a macro without braces, and returns what follows it.
func (w *scriptWriter) word(rest string) string {
	word := bareMacro.FindString(rest)
	name := strings.TrimLeft(word, "?!")
	line, _, _ := strings.Cut(rest[len(word):], "\n")
	after := rest[len(word)+len(line):]
	if word == "" {
		w.put("%")
		return rest
	}
	switch {
	case directive.MatchString(word) || word == "dnl":
		return after // the lines were read for that, and rpm leaves nothing
	case rpmCommand.MatchString(word):
		w.command("%" + word + line)
		return after
	case w.parametric(name):
		// It takes the rest of the line.
		w.unknown(name, strings.Fields(line), "%"+word+line)
		return after
	}
	w.value(name, word[:len(word)-len(name)], "%"+word)
	return rest[len(word):]
}

// command writes %patch or one of its kind.
func (w *scriptWriter) command(text string) {
	kind := markCommand
	if !w.atCommand() {
		kind = markMacro
	}
	w.put(w.mark(kind, text))
	if f := setup.FindStringSubmatch(text); f != nil {
		name, ok := option(text, 'n')
		if !ok {
			name = "%{name}-%{version}"
		}
		w.m.set("buildsubdir", name)
	}
}

// call writes the inside of %{...}, which after follows.
func (w *scriptWriter) call(inner, after string) {
	written := "%{" + inner + "}"
	f := macroCall.FindStringSubmatch(inner)
	if f == nil {
		w.put(w.mark(markMacro, written))
		return
	}
	marks, name, colon, rest := f[1], f[2], f[3], f[4]
	word := strings.TrimSpace(rest)
	var wanted truth
	var digit bool
	switch {
	case colon == "" && (directive.MatchString(name) || name == "dnl"):
		return
	case colon == "" && rpmCommand.MatchString(name):
		w.command("%" + inner)
		return
	case colon == "" && name == "with":
		wanted, digit = w.m.defined("with_"+word), true
	case colon == "" && name == "without":
		wanted, digit = not(w.m.defined("with_"+word)), true
	case colon == "" && name == "defined":
		wanted, digit = w.m.defined(word), true
	case colon == "" && name == "undefined":
		wanted, digit = not(w.m.defined(word)), true
	case colon != "" && (name == "P" || name == "S"):
		w.put(w.mark(markMacro, "%{"+map[string]string{"P": "PATCH", "S": "SOURCE"}[name]+word+"}"))
		return
	case colon != "" && strings.Contains(marks, "?"):
		w.conditional(name, strings.Count(marks, "!")%2 == 1, rest, after, written)
		return
	case colon != "" || word != "":
		w.unknown(name, strings.Fields(rest), written)
		return
	default:
		w.value(name, marks, written)
		return
	}
	if digit && wanted != cannotTell {
		w.put(wanted.digit())
	} else {
		w.put(w.mark(markMacro, written))
	}
}

// conditional writes %{?name:body}.
func (w *scriptWriter) conditional(name string, absent bool, body, after, written string) {
	wanted := w.m.defined(name)
	if absent {
		wanted = not(wanted)
	}
	after = strings.TrimLeft(after, " \t")
	switch {
	case wanted == no:
	case w.depth >= maxNesting:
		w.left = -1
	case wanted == yes:
		w.depth++
		w.expand(body)
		w.depth--
	case w.atCommand() && (after == "" || strings.ContainsAny(after[:1], "\n;&|)#")):
		w.depth++
		w.put("if " + w.mark(markCondition, written) + "; then : ;")
		w.expand(body)
		w.put("\nfi")
		w.depth--
	default:
		w.put(w.mark(markMacro, written))
	}
}

// programs are rpm's macros for programs that have other names than these.
var programs = map[string]string{"__mkdir_p": "mkdir -p", "__ln_s": "ln -s", "make_build": "make", "make_install": "make install"}

// value writes what a macro without arguments stands for.
func (w *scriptWriter) value(name, marks, written string) {
	conditional := strings.Contains(marks, "?")
	switch {
	case parameter.MatchString(name):
		if n, _ := number(name); n > 0 && n <= len(w.args) {
			w.put(w.args[n-1])
		} else {
			w.put(w.mark(markMacro, written))
		}
		return
	case conditional && strings.Contains(marks, "!"):
		return
	case rpmFile.MatchString(name):
		w.put(w.mark(markMacro, "%{"+strings.ToUpper(name)+"}"))
		return
	case rpmList.MatchString(name):
		w.put(w.mark(markMacro, "%{"+name+"}"))
		return
	}
	d, ok := w.m.values[name]
	switch {
	case programs[name] != "":
		w.put(programs[name])
	case !ok && rpmProgram.MatchString(name):
		w.put(name[2:])
	case w.m.defined(name) == no && conditional:
	case w.m.defined(name) == yes && w.depth < maxNesting && known(d.body):
		w.depth++
		w.expand(d.body)
		w.depth--
	case w.m.defined(name) == yes && w.depth < maxNesting:
		w.unknown(name, nil, mended(name, conditional))
	case w.m.defined(name) == no:
		w.put(w.mark(markMacro, written))
	default:
		w.put(w.mark(markMacro, mended(name, conditional)))
	}
}

// mended is the one form of a macro's name by which two are compared.
func mended(name string, conditional bool) string {
	if conditional && name != "_builddir" {
		return "%{?" + name + "}"
	}
	return "%{" + name + "}"
}

// parametric tells whether the spec defines a macro with arguments.
func (w *scriptWriter) parametric(name string) bool {
	list := w.spec.definitions(name)
	return len(list) > 0 && definition.FindStringSubmatch(w.spec.lines[list[0]].text)[3] != ""
}

// unknown writes a macro that takes arguments or spans lines: where it is a command, the
// one body that the spec has for it.
func (w *scriptWriter) unknown(name string, args []string, written string) {
	body, ok := w.spec.bodyOf(name)
	if !ok || !w.atCommand() || w.m.defined(name) != yes || w.depth >= maxNesting {
		w.put(w.mark(markMacro, written))
		return
	}
	outer := w.args
	w.args = args
	w.depth++
	w.expand(body)
	w.depth--
	w.args = outer
}

// bodyOf is what the one definition of a macro says, over its lines.
func (s *Spec) bodyOf(name string) (string, bool) {
	list := s.definitions(name)
	if len(list) != 1 {
		return "", false
	}
	at := list[0]
	lines := []string{strings.TrimPrefix(s.lines[at].text, definition.FindString(s.lines[at].text))}
	for at++; at < len(s.lines) && s.lines[at].macro; at++ {
		lines = append(lines, s.lines[at].text)
	}
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(strings.TrimRight(l, " \t\r"), `\`)
	}
	body := strings.Join(lines, "\n")
	if inner, after, ok := braced(strings.TrimSpace(body), '{', '}'); ok && after == "" {
		body = inner
	}
	if strings.Contains(body, "%{expand:") || strings.Contains(body, "%{lua:") {
		return "", false
	}
	return body, true
}
