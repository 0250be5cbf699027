// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// walker follows a script as the shell would run it: which directory each command runs in,
// whether it runs once and in any case, and what becomes of the kernel's trees.
type walker struct {
	script  *script
	spec    *Spec
	known   *macros // as they stand at the section's end
	sources sources
	ours    ours

	facts   map[int]fact // by line of the spec, of what the section's own commands find there
	safe    map[int]bool // a command before the line would run once, always, in the tree
	applied []application
	index   map[syntax.Node]int // of the applications
	pattern note                // a line that applies whatever a pattern finds
	hidden  note                // one that does what the text does not show
	ended   note                // one at which the script may end
	again   note                // a second %setup
	removed note                // the tree with our patch was removed
	twice   note                // our patch would go into a tree that has it

	subdir    string // in which rpm begins %build
	build     bool   // it is %build that is followed
	elsewhere note   // %build works in a directory that is no tree
	missing   note   // %build works in a tree without our patch
	without   string // that tree
	works     bool   // and in one that has it

	functions map[string]*syntax.Stmt
	inside    bool     // the function that is being followed applies patches
	calls     int      // functions that are being followed
	blocks    []string // the lines that open what depends on a condition
	patterns  map[string]bool
	listing   bool // the pipe's first program lists files
	pipe      syntax.Node
	steps     int
	jumps     []*jumps
	shells    int // subshells
}

// ours is where our patch is put, as a trial.
type ours struct {
	line int    // of the spec, before which it goes in; -1 for none
	at   int    // the application that takes it with others, -1 for none
	in   string // the directory in which the command at the line is told to work, as by -d
}

var nowhere = ours{line: -1, at: -1}

// fact is what a line of a section finds.
type fact struct {
	dir     string // "" where it is not known
	tree    string // the kernel's tree at or above that
	above   bool   // a tree is below that
	lost    note   // why the directory is not known
	block   string // what opens the innermost condition of the shell
	applied *applied
}

// jumps are the states in which a loop or a function is left before its end.
type jumps struct {
	loop        bool
	out, repeat *state
}

// ends are the states after a command: it did well; it did not, which ends the script
// under set -e; it did not, but in a list that lets that pass. nil is what cannot be.
type ends struct{ ok, bad, soft *state }

// maxSteps bounds how much is followed.
const maxSteps = 50_000

const tooLong = "it is too long to be followed"

// list follows commands that come one after the other.
func (w *walker) list(list []*syntax.Stmt, st *state, guarded bool) ends {
	last := ends{ok: st}
	for _, stmt := range list {
		next := join(last.ok, last.soft, w.line(stmt))
		if guarded || last.bad != nil && !last.bad.exits {
			next = join(next, last.bad, w.line(stmt))
		}
		if next == nil {
			return ends{}
		}
		last = w.stmt(stmt, next)
	}
	return last
}

// after is the one state after a list that is no condition.
func (w *walker) after(e ends, line int) *state {
	st := join(e.ok, e.soft, line)
	if e.bad != nil && !e.bad.exits {
		st = join(st, e.bad, line)
	}
	return st
}

func (w *walker) line(n syntax.Node) int { return w.lineAt(n.Pos()) }

func (w *walker) lineAt(p syntax.Pos) int {
	if i := int(p.Line()) - 1; i >= 0 && i < len(w.script.origin) {
		return w.script.origin[i]
	}
	return w.script.origin[len(w.script.origin)-1]
}

// note notes what a command finds.
func (w *walker) note(line int, st *state) {
	if w.calls > 0 {
		return
	}
	f := w.factOf(st)
	if old, ok := w.facts[line]; ok && old.dir != f.dir {
		f.dir, f.tree, f.lost = "", "", note{line, "it runs in more than one directory"}
	}
	if _, ok := w.facts[line]; !ok || w.facts[line].dir != f.dir {
		w.facts[line] = f
	}
}

func (w *walker) factOf(st *state) fact {
	f := fact{dir: st.dir, lost: st.lost, tree: st.top(st.dir)}
	f.applied = st.trees[f.tree].applied
	for name := range st.trees {
		f.above = f.above || f.tree == "" && within(st.dir, name)
	}
	if n := len(w.blocks); n > 0 {
		f.block = w.blocks[n-1]
	}
	return f
}

// under follows what depends on a condition of the shell.
func (w *walker) under(n syntax.Node, follow func()) {
	opener := ""
	if line := w.line(n); line < len(w.spec.lines) {
		opener = strings.TrimSpace(w.spec.lines[line].text)
	}
	w.blocks = append(w.blocks, opener)
	follow()
	w.blocks = w.blocks[:len(w.blocks)-1]
}

func (w *walker) stmt(s *syntax.Stmt, st *state) (e ends) {
	line := w.line(s)
	if w.steps++; w.steps > maxSteps {
		w.hidden.first(line, tooLong)
		return ends{}
	}
	w.note(line, st)
	for _, r := range s.Redirs {
		st = w.redirect(r, st)
	}
	switch c := s.Cmd.(type) {
	case nil:
		e = ends{ok: st, bad: st}
	case *syntax.CallExpr:
		e = w.call(s, c, st)
	case *syntax.BinaryCmd:
		e = w.binary(c, st)
	case *syntax.IfClause:
		e = w.clause(c, st)
	case *syntax.WhileClause:
		w.under(c, func() { e = w.while(c, st) })
	case *syntax.ForClause:
		e = w.loop(c, st)
	case *syntax.CaseClause:
		w.under(c, func() { e = w.cases(c, st) })
	case *syntax.Block:
		e = w.list(c.Stmts, st, false)
	case *syntax.Subshell:
		w.under(c, func() { e = w.shellOfLines(c, st) })
	case *syntax.FuncDecl:
		w.functions[c.Name.Value] = c.Body
		e = ends{ok: st}
	case *syntax.DeclClause:
		st = st.clone()
		for _, a := range c.Args {
			w.assign(a, st)
		}
		e = ends{ok: st, bad: st}
	case *syntax.TimeClause:
		if e = (ends{ok: st}); c.Stmt != nil {
			e = w.stmt(c.Stmt, st)
		}
	default:
		e = ends{ok: st, bad: st}
	}
	if s.Negated {
		e = ends{ok: join(e.bad, e.soft, line), soft: e.ok}
	}
	if s.Background || s.Coprocess {
		// It goes on beside what comes next.
		e = ends{ok: st.outside(w.after(e, line))}
	}
	return e
}

// outside is the state of the shell that began a subshell, which is at in when it ends.
func (s *state) outside(in *state) *state {
	if in == nil || in == s {
		return s
	}
	c := s.clone()
	c.files = in.clone().files
	return c
}

// fails ends the following of what cannot be followed.
func (w *walker) fails(n syntax.Node, format string, args ...any) {
	w.hidden.first(w.line(n), fmt.Sprintf(format, args...))
}
