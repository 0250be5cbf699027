// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// prep is what %prep does, as far as it can be told without running it.
type prep struct {
	*walker
	first, end int // its lines, without the section's own
	marker     int // line of "END OF PATCH APPLICATIONS", -1 without
	parsed     *syntax.File
	building   *section // %build, once it was read
	after      *state
}

// parseShell reads text as bash does. It never panics: what the parser cannot take is an
// error.
func parseShell(text string) (file *syntax.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			file, err = nil, fmt.Errorf("the parser fails: %v", r)
		}
	}()
	if deep := nesting(text); deep > maxBrackets {
		return nil, fmt.Errorf("%d brackets are open at once", deep)
	}
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
}

// maxBrackets bounds how deep the parser goes.
const maxBrackets = 200

func nesting(text string) (deepest int) {
	open := 0
	for _, c := range text {
		switch c {
		case '(', '{', '[':
			open++
			deepest = max(deepest, open)
		case ')', '}', ']':
			open = max(0, open-1)
		}
	}
	return deepest
}

// parse reads a section as the shell does.
func (s *Spec) parse(section string, m *macros) (*script, *syntax.File, error) {
	sc, err := s.script(section, m)
	if err != nil {
		return nil, nil, err
	}
	file, err := parseShell(sc.text)
	if err == nil {
		return sc, file, nil
	}
	line, reason := 0, err.Error()
	if e, ok := err.(syntax.ParseError); ok {
		reason = sc.decode(e.Text)
		if n := int(e.Pos.Line()) - 1; n >= 0 && n < len(sc.origin) {
			line = sc.origin[n] + 1
		}
	}
	return nil, nil, s.fail(line, "%"+section+" cannot be followed: the shell script is incomplete without what only rpmbuild knows: "+reason, adviceReplace)
}

// bounds are the lines of a section, without the one that begins it.
func (s *Spec) bounds(section string) (first, end int) {
	first = -1
	for i, l := range s.lines {
		if l.section != section || l.macro {
			continue
		}
		if first < 0 {
			first = i + 1
		}
		end = i + 1
	}
	return first, end
}

// readPrep follows %prep with what is known of the macros, and our patch put in as a trial.
func (s *Spec) readPrep(m *macros, file string, trial ours) (*prep, error) {
	first, end := s.bounds("prep")
	if first < 0 {
		return nil, s.fail(0, "there is no %prep section", adviceReplace)
	}
	sc, parsed, err := s.parse("prep", m)
	if err != nil {
		return nil, err
	}
	p := &prep{walker: newWalker(s, sc, m), first: first, end: end, parsed: parsed}
	p.sources = s.sources(m, file)
	p.follow(trial)
	return p, nil
}

// with is the same %prep with our patch put in another place.
func (p *prep) with(trial ours) *prep {
	again := &prep{walker: newWalker(p.spec, p.script, p.known), first: p.first, end: p.end, parsed: p.parsed}
	again.sources = p.sources
	again.follow(trial)
	return again
}

// follow follows %prep to its end.
func (p *prep) follow(trial ours) {
	p.marker, p.ours, p.hidden = -1, trial, p.script.hidden
	s, w, parsed := p.spec, p.walker, p.parsed
	p.after = p.section(parsed, &state{
		dir: buildRoot, exits: true, vars: environmentOf(),
		files: files{map[string]tree{}, map[string]box{}, map[string]bool{}, map[string]note{}, map[string]string{}},
	})
	for i := p.first; i < p.end; i++ {
		text := s.lines[i].text
		if p.marker < 0 && endMarker.MatchString(text) && p.safe[i] {
			p.marker = i
		}
		if m := commentMacro.FindStringSubmatch(strings.ReplaceAll(text, "%%", "")); m != nil && !s.lines[i].macro {
			w.hidden.first(i, "rpm expands macros in comments, too, and what "+m[1]+" makes there is run")
		}
	}
	counts(w, parsed)
}

// environmentOf are the variables that rpm sets for a script.
func environmentOf() map[string]string {
	return map[string]string{"RPM_BUILD_DIR": buildRoot, "RPM_SOURCE_DIR": "%{_sourcedir}", "RPM_BUILD_ROOT": "%{buildroot}"}
}

func newWalker(s *Spec, sc *script, m *macros) *walker {
	return &walker{
		script: sc, spec: s, known: m, ours: nowhere, facts: map[int]fact{}, safe: map[int]bool{}, index: map[syntax.Node]int{},
		functions: map[string]*syntax.Stmt{}, patterns: map[string]bool{},
	}
}

// section follows the section's own list, and notes before which lines a command would
// run once, always, and in the top directory of the kernel's tree.
func (p *prep) section(file *syntax.File, st *state) *state {
	list, end := file.Stmts, p.end
	if n := len(list) - 1; n >= 0 && p.endsWell(list[n]) {
		// Nothing comes behind it, and nothing may be put there.
		list, end = list[:n], p.line(list[n])
	}
	return p.through(list, p.first, end, st, func(line int, st *state) { p.safe[line] = p.mayPut(line, st) })
}

// endsWell tells whether a command is a plain exit without a failure.
func (w *walker) endsWell(s *syntax.Stmt) bool {
	c, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || len(s.Redirs) > 0 || s.Background || s.Negated || len(c.Assigns) > 0 || w.name(c) != "exit" {
		return false
	}
	return len(c.Args) == 1 || len(c.Args) == 2 && c.Args[1].Lit() == "0"
}

// mayPut tells whether a command before a line would run in the top directory of the kernel's
// tree, if what stands around it runs.
func (w *walker) mayPut(at int, st *state) bool {
	l := line{}
	if at < len(w.spec.lines) {
		l = w.spec.lines[at]
	}
	_, top := st.trees[w.ours.dir(st)]
	return top && w.ended.why == "" && !l.macro && len(l.within) == 0
}

// dir is where our command would work.
func (o ours) dir(st *state) string {
	if o.in == "" {
		return st.dir
	}
	return st.at(o.in)
}

// through follows commands, tells of each line from first to end what is there before it, and
// puts our patch in at its line.
func (w *walker) through(list []*syntax.Stmt, first, end int, st *state, before func(int, *state)) *state {
	next := first
	put := func(until int) {
		for ; next <= until && st != nil; next++ {
			before(next, st)
			dir := w.ours.dir(st)
			if t, top := st.trees[dir]; next == w.ours.line && top {
				if t.ours != no {
					w.twice.first(next, "the patch would go in twice")
				}
				st = st.clone()
				t.ours, t.lost = yes, note{}
				st.trees[dir] = t
			}
		}
	}
	for _, stmt := range list {
		put(w.line(stmt))
		e := w.stmt(stmt, st)
		st = w.after(e, w.line(stmt))
		// A here document ends a line after its text, by its word.
		next = max(next, w.lastLine(stmt)+1)
		if st == nil {
			break
		}
	}
	put(end)
	return st
}

// lastLine is the last line of the spec that a command takes.
func (w *walker) lastLine(n syntax.Node) int {
	last := n.End().Line()
	syntax.Walk(n, func(n syntax.Node) bool {
		if n == nil {
			return true
		}
		at := n.End().Line()
		if r, ok := n.(*syntax.Redirect); ok && r.Hdoc != nil {
			at++
		}
		last = max(last, at)
		return true
	})
	if i := int(last) - 1; i < len(w.script.origin) {
		return w.script.origin[i]
	}
	return w.script.origin[len(w.script.origin)-1]
}

// macros expands what can be known in a name.
func (w *walker) macros(text string) string {
	t := &scriptWriter{spec: w.spec, m: w.known, left: maxScript, script: script{origin: []int{0}}}
	t.expand(text)
	return t.script.decode(string(t.b))
}

// sources reads what there is of the kernel's tarball.
func (s *Spec) sources(m *macros, ours string) sources {
	known := sources{ours: ours, archive: "%{SOURCE0}"}
	for _, l := range s.lines {
		f := numberedFile.FindStringSubmatch(l.text)
		if f == nil || l.section != "" || !strings.EqualFold(f[1], "source") || f[2] != "" && f[2] != "0" {
			continue
		}
		w := walker{spec: s, known: m}
		name := w.macros(f[3])
		known.file = name[strings.LastIndexByte(name, '/')+1:]
		known.stem = archiveEnd.ReplaceAllString(known.file, "")
		break
	}
	return known
}

// counts notes a command whose doing depends on how many patches the package has.
func counts(w *walker, file *syntax.File) {
	syntax.Walk(file, func(n syntax.Node) bool {
		pipe, ok := n.(*syntax.BinaryCmd)
		if !ok || pipe.Op != syntax.Pipe {
			return true
		}
		call, ok := pipe.Y.Cmd.(*syntax.CallExpr)
		if !ok {
			return true
		}
		name := w.name(call)
		counting := name == "wc"
		for _, a := range call.Args {
			counting = counting || name == "grep" && strings.HasPrefix(a.Lit(), "-") && strings.Contains(a.Lit(), "c")
		}
		if counting && w.namesPatches(pipe.X) {
			w.hidden.first(w.line(pipe), "what is done depends on how many patches the package has, and ours is one more")
		}
		return true
	})
}

// namesPatches tells whether a node lists the package's patches.
func (w *walker) namesPatches(n syntax.Node) (found bool) {
	lists := w.lists(n)
	syntax.Walk(n, func(n syntax.Node) bool {
		switch x := n.(type) {
		case *syntax.Lit:
			text := w.script.decode(x.Value)
			found = found || strings.Contains(text, "%{patches}") || lists && strings.HasPrefix(text, "%{_sourcedir}")
		case *syntax.ParamExp:
			found = found || lists && x.Param != nil && x.Param.Value == "RPM_SOURCE_DIR"
		}
		return !found
	})
	return found
}
