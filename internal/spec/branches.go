// SPDX-License-Identifier: Apache-2.0

package spec

import "mvdan.cc/sh/v3/syntax"

func (w *walker) subshell(list []*syntax.Stmt, st *state, line int) ends {
	w.shells++
	e := w.list(list, st, false)
	w.shells--
	out := func(s *state) *state {
		if s == nil {
			return nil
		}
		return st.outside(s)
	}
	if w.shells == 0 && e.ok == nil && e.bad == nil && e.soft == nil {
		return ends{ok: st, bad: st} // it ended by exit
	}
	return ends{out(e.ok), out(e.bad), out(e.soft)}
}

// shellOfLines follows a subshell. Where it surely runs, our command may go into it.
func (w *walker) shellOfLines(c *syntax.Subshell, st *state) ends {
	line := w.line(c)
	if !w.surely() {
		return w.subshell(c.Stmts, st, line)
	}
	first, end := w.lineAt(c.Lparen)+1, w.lineAt(c.Rparen)
	w.shells++
	after := w.through(c.Stmts, first, end, st, func(at int, st *state) { w.safe[at] = w.mayPut(at, st) })
	w.shells--
	w.onceInEach(first, end, 1)
	if after == nil {
		return ends{ok: st, bad: st} // it ended by exit
	}
	return ends{ok: st.outside(after)}
}

// surely tells whether the innermost block of %prep is the only one that the command stands in.
func (w *walker) surely() bool {
	return len(w.blocks) == 1 && w.calls == 0 && w.shells == 0 && w.pipe == nil && !w.build
}

func (w *walker) binary(c *syntax.BinaryCmd, st *state) (e ends) {
	line := w.line(c)
	switch c.Op {
	case syntax.AndStmt:
		x := w.stmt(c.X, st)
		e.soft = join(x.bad, x.soft, line)
		if x.ok == nil {
			return e
		}
		var y ends
		follow := func() { y = w.stmt(c.Y, x.ok) }
		if e.soft == nil {
			follow()
		} else {
			w.under(c, follow)
		}
		return ends{y.ok, y.bad, join(e.soft, y.soft, line)}
	case syntax.OrStmt:
		x := w.stmt(c.X, st)
		other := join(x.bad, x.soft, line)
		if other == nil {
			return x
		}
		var y ends
		w.under(c, func() { y = w.stmt(c.Y, other) })
		return ends{join(x.ok, y.ok, line), y.bad, y.soft}
	}
	outer, listing, first := w.pipe, w.listing, w.pipe == nil
	if first {
		w.pipe = c
	}
	w.shells++
	x := w.after(w.stmt(c.X, st), line)
	w.listing = w.listing || w.lists(c.X)
	between := st.outside(x)
	y := w.after(w.stmt(c.Y, between), line)
	w.shells--
	w.pipe, w.listing = outer, listing
	after := between.outside(y)
	if x != nil && x.dir != st.dir || y != nil && y.dir != st.dir {
		// Some shells run the last program of a pipe themselves.
		after = after.clone()
		after.dir, after.lost = "", note{line, "a program in a pipe changes the directory"}
	}
	return ends{ok: after, bad: after}
}

// clause follows an if. Those that are rpm's own are no condition of the shell.
func (w *walker) clause(c *syntax.IfClause, st *state) (e ends) {
	if len(c.Cond) == 0 {
		return w.list(c.Then, st, false) // else
	}
	cond := ends{ok: st, bad: st}
	ofRPM := w.ofRPM(c)
	if !ofRPM {
		cond = w.list(c.Cond, st, true)
	}
	line := w.line(c)
	follow := func() {
		var then, other ends
		if cond.ok != nil {
			then = w.list(c.Then, cond.ok, false)
		}
		if no := join(cond.bad, cond.soft, line); no != nil {
			if other = (ends{ok: no}); c.Else != nil {
				other = w.clause(c.Else, no)
			}
		}
		e = ends{join(then.ok, other.ok, line), join(then.bad, other.bad, line), join(then.soft, other.soft, line)}
	}
	if ofRPM {
		follow()
	} else {
		w.under(c, follow)
	}
	return e
}

func (w *walker) ofRPM(c *syntax.IfClause) bool {
	call := onlyCall(c.Cond)
	if call == nil || len(call.Args) != 1 {
		return false
	}
	m, ok := w.only(call.Args[0].Lit())
	return ok && m.kind == markCondition
}

// only is the mark that a text consists of.
func (w *walker) only(text string) (mark, bool) {
	if r := []rune(text); len(r) == 1 {
		return w.script.markOf(r[0])
	}
	return mark{}, false
}

func (w *walker) cases(c *syntax.CaseClause, st *state) ends {
	e := ends{ok: st}
	for _, item := range c.Items {
		x := w.list(item.Stmts, st, false)
		line := w.line(c)
		e = ends{join(e.ok, x.ok, line), join(e.bad, x.bad, line), join(e.soft, x.soft, line)}
	}
	return e
}
