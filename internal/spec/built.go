// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// section is one that was read.
type section struct {
	script *script
	file   *syntax.File
	known  *macros
}

// built follows %build from where %prep ends. What it cannot follow it leaves to the proof.
func (s *Spec) built(first, p *prep, st *state) error {
	if first.building == nil {
		m := anyBuild()
		sc, file, err := s.parse("build", m)
		if err != nil {
			return nil
		}
		first.building = &section{sc, file, m}
	}
	b := first.building
	w := newWalker(s, b.script, b.known)
	w.sources, w.build = p.sources, true
	st = st.clone()
	st.dir, st.lost, st.exits, st.stack, st.args = st.real(p.subdir), note{}, true, nil, nil
	st.vars = environmentOf()
	w.after(w.list(b.file.Stmts, st, false), p.end)
	if !w.works {
		w.missing.first(w.elsewhere.line, w.elsewhere.why)
	}
	if w.missing.why != "" {
		return &Error{Spec: s.name, Line: w.missing.line + 1, Reason: w.missing.why, Advice: adviceReplace, without: w.without}
	}
	return nil
}

// idle are programs that compile nothing.
var idle = []string{"mkdir", "rm", "test", "[", "ls", "export", "umask", "ulimit", "mv", "cp", "ln", "chmod", "touch"}

// worksIn notes in which tree %build works.
func (w *walker) worksIn(name string, args []word, st *state, line int) {
	if slices.Contains(idle, name) {
		return
	}
	dir := st.dir
	if name == "make" || name == "gmake" {
		if _, values, _ := flags(args, "Cfj"); values['C'] != "" {
			if dir = st.at(values['C']); strings.Contains(values['C'], "*") {
				return
			}
		}
	}
	for odd, n := range st.odd {
		if dir != "" && within(odd, dir) {
			w.missing.first(line, fmt.Sprintf("%%build works in %s, and %s (line %d)", below(odd), n.why, n.line+1))
		}
	}
	top := st.top(dir)
	switch t := st.trees[top]; {
	case top == "":
		w.worksElsewhere(dir, st, line)
	case t.has():
		w.works = true
	case t.lost.why != "":
		w.missing.first(line, fmt.Sprintf("%%build works in %s, and the patch may be lost by then: line %d, %s", below(top), t.lost.line+1, t.lost.why))
	default:
		if w.missing.why == "" {
			w.without = below(top)
		}
		w.missing.first(line, fmt.Sprintf("%%build works in %s, which does not get the patch", below(top)))
	}
}

// worksElsewhere notes that %build works in no tree that is known, which matters where it
// does not work in one that has the patch, too.
func (w *walker) worksElsewhere(dir string, st *state, line int) {
	without := false
	for name, t := range st.trees {
		switch {
		case !t.has():
			without = true
		case dir != "" && (within(dir, name) || may(name, dir) || may(dir, name)):
			return // it is above it, or perhaps the same
		}
	}
	switch _, box := st.boxes[dir]; {
	case dir == "" && without:
		w.elsewhere.first(line, "the text does not show in which tree %build works, and one of them is without the patch: "+st.lost.why)
	case dir == "" || strings.HasPrefix(dir, "/") || box || st.made[dir] || dir == buildRoot:
	default:
		w.elsewhere.first(line, fmt.Sprintf("%%build works in %s, which is not known to get the patch", below(dir)))
	}
}

// below is a path without the build directory before it.
func below(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, buildRoot), "/")
}
