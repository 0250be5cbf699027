// SPDX-License-Identifier: Apache-2.0

package spec

import "strings"

// script is a section of a spec as the shell reads it: rpm's macros are expanded as far as
// they can be told without running anything, and what is left of them stands there as one
// character each, a mark.
type script struct {
	text   string
	origin []int // by line of the text: the line of the spec it comes from
	marks  []mark
	hidden note // a line that does what the text does not show
}

// mark is what rpm puts into a script.
type mark struct {
	kind markKind
	text string // as the spec has it; of a macro its name in one form, for comparing
}

type markKind int

const (
	markMacro     markKind = iota // part of a word
	markCommand                   // %setup, %patch and their kind
	markCondition                 // %if, as the condition of a shell's if
)

// note is a line, from 0, and what is to be said of it.
type note struct {
	line int
	why  string
}

// first keeps the note that came first.
func (n *note) first(line int, why string) {
	if n.why == "" {
		*n = note{line, why}
	}
}

// Marks are characters that no spec has. maxScript bounds the text, as the parser goes
// deeper with each bracket.
const (
	firstMark  = 0xF0000
	lastMark   = 0xFFFFD
	maxScript  = 256 << 10
	maxNesting = 32
)

// scriptWriter makes a script.
type scriptWriter struct {
	script
	spec  *Spec
	m     *macros
	b     []byte
	at    int // line of the spec in hand
	left  int // bytes that may still be read
	depth int
	args  []string // of the macro whose body is read
}

// script makes the script of a section. m is changed as the spec changes it.
func (s *Spec) script(section string, m *macros) (*script, error) {
	w := &scriptWriter{spec: s, m: m, left: maxScript, script: script{origin: []int{0}}}
	var shell []bool // by open %if: whether it became a shell's
	next := 0
	for r := range s.readings(m) {
		if r.section != section || r.i < next || !r.macro && sectionStart.MatchString(r.text) {
			if r.turn == turnOpen && r.section != section {
				shell = append(shell, false)
			} else if r.turn == turnEnd && r.section != section && len(shell) > 0 {
				shell = shell[:len(shell)-1]
			}
			continue
		}
		w.at, w.origin[len(w.origin)-1] = r.i, r.i
		switch {
		case r.turn != turnNone:
			shell = w.condition(r, shell)
		case r.live != no:
			text, last := s.joined(r.i)
			if last > r.i && strings.HasPrefix(strings.TrimSpace(text), "#") {
				w.hidden.first(r.i, "rpm expands macros in comments, too, and what one that spans lines makes there is run")
			}
			next = last + 1
			switch {
			case strings.HasPrefix(strings.TrimSpace(text), "#"):
				w.put("#")
			case directiveLine.MatchString(text): // it was read for that
			default:
				w.expand(text)
			}
		}
		w.put("\n")
		if len(w.b) > maxScript || w.left < 0 {
			return nil, s.fail(r.i+1, "%"+section+" is too long to be followed", adviceReplace)
		}
	}
	w.script.text = string(w.b)
	return &w.script, nil
}

// condition makes an %if that cannot be told a shell's; of others one branch is left.
func (w *scriptWriter) condition(r reading, shell []bool) []bool {
	last := len(shell) - 1
	test := func() string { return w.mark(markCondition, strings.TrimSpace(r.text)) }
	opens := r.outer != no && r.now == cannotTell
	switch {
	case r.turn == turnOpen:
		if opens {
			w.put("if " + test() + "; then :")
		}
		return append(shell, opens)
	case last < 0:
		return shell
	case r.turn == turnEnd:
		if shell[last] {
			w.put("fi")
		}
		return shell[:last]
	case shell[last] && r.turn == turnElse:
		w.put("else :")
	case shell[last]:
		w.put("elif " + test() + "; then :")
	case opens:
		w.put("if " + test() + "; then :")
		shell[last] = true
	}
	return shell
}

// joined is a line, and those that follow while a macro in it is open.
func (s *Spec) joined(i int) (text string, last int) {
	text = s.lines[i].text
	for last = i; last+1 < len(s.lines) && last < i+maxValue && unclosed(text) && s.lines[last+1].section == s.lines[i].section; last++ {
		text += "\n" + s.lines[last+1].text
	}
	if unclosed(text) {
		return s.lines[i].text, i
	}
	return text, last
}

func unclosed(text string) bool {
	for {
		_, rest, found := strings.Cut(text, "%")
		switch {
		case !found:
			return false
		case strings.HasPrefix(rest, "{"):
			_, after, ok := braced(rest, '{', '}')
			if !ok {
				return true
			}
			rest = after
		case strings.HasPrefix(rest, "%"):
			rest = rest[1:]
		}
		text = rest
	}
}

// put writes text of the spec, or of ours.
func (w *scriptWriter) put(text string) {
	for range strings.Count(text, "\n") {
		w.origin = append(w.origin, w.at)
	}
	w.b = append(w.b, text...)
}

// mark notes what rpm puts there, and returns the character that stands for it.
func (w *scriptWriter) mark(kind markKind, text string) string {
	n := firstMark + len(w.marks)
	if n > lastMark {
		w.left = -1
		return "_"
	}
	w.marks = append(w.marks, mark{kind, text})
	return string(rune(n))
}

// markOf is the mark that a character stands for.
func (s *script) markOf(r rune) (mark, bool) {
	if n := int(r) - firstMark; n >= 0 && n < len(s.marks) {
		return s.marks[n], true
	}
	return mark{}, false
}

// decode puts the macros' names in the places of the marks.
func (s *script) decode(text string) string {
	var b strings.Builder
	for _, r := range text {
		if m, ok := s.markOf(r); ok {
			b.WriteString(m.text)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
