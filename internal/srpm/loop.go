// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"maps"
	"slices"

	"mvdan.cc/sh/v3/syntax"
)

// maxTurns is how many words a loop may have whose turns are followed one by one.
const maxTurns = 16

// loop follows a for. Where its words are known it is what it does, one turn after another.
func (w *walker) loop(c *syntax.ForClause, st *state) (e ends) {
	iter, ok := c.Loop.(*syntax.WordIter)
	if !ok {
		w.under(c, func() { e = w.turns(c.Do, st, w.line(c)) })
		return e
	}
	words := make([]word, 0, len(iter.Items))
	known, patches := len(iter.Items) <= maxTurns, false
	for _, item := range iter.Items {
		x := w.eval(item, st)
		known = known && !x.wild
		patches = patches || x.text == "%{patches}"
		words = append(words, x)
	}
	name := iter.Name.Value
	before := len(w.applied)
	outer := maps.Clone(w.patterns)
	for _, x := range words {
		if (x.glob || x.list) && w.mayFind(x.text) {
			w.patterns[name] = true
		}
	}
	w.under(c, func() {
		if known && !patches {
			e = w.each(c, name, words, st)
			return
		}
		st = st.clone()
		delete(st.vars, name)
		e = w.turns(c.Do, st, w.line(c))
	})
	w.patterns = outer
	if patches && len(w.applied) > before {
		// It takes all of them, which is one application.
		w.applied = w.applied[:before]
		maps.DeleteFunc(w.index, func(_ syntax.Node, i int) bool { return i >= before })
		e.ok = w.applies(c, c, stylePatchesAll, e.ok)
	}
	return e
}

// each follows the turns of a loop over known words.
func (w *walker) each(c *syntax.ForClause, name string, words []word, st *state) ends {
	j := &jumps{loop: true}
	w.jumps = append(w.jumps, j)
	line := w.line(c)
	for _, x := range words {
		st = st.clone()
		st.vars[name] = x.text
		j.repeat = nil
		if st = join(w.after(w.list(c.Do, st, false), line), j.repeat, line); st == nil {
			break
		}
	}
	w.jumps = w.jumps[:len(w.jumps)-1]
	st = join(st, j.out, line)
	return ends{ok: st}
}

// turns follows a loop of which it is not known how often it runs.
func (w *walker) turns(do []*syntax.Stmt, st *state, line int) ends {
	for range 2 {
		j := &jumps{loop: true}
		w.jumps = append(w.jumps, j)
		after := w.after(w.list(do, st, false), line)
		w.jumps = w.jumps[:len(w.jumps)-1]
		next := join(join(join(st, after, line), j.out, line), j.repeat, line)
		same := next == st
		if st = next; same {
			break
		}
	}
	return ends{ok: st}
}

func (w *walker) while(c *syntax.WhileClause, st *state) ends {
	line := w.line(c)
	outer := maps.Clone(w.patterns)
	cond := w.list(c.Cond, st, true)
	st = join(join(cond.ok, cond.bad, line), cond.soft, line)
	if st == nil {
		return ends{}
	}
	e := w.turns(c.Do, st, line)
	w.patterns = outer
	return e
}

// jump follows break, continue and return.
func (w *walker) jump(name string, st *state, line int) ends {
	for _, j := range slices.Backward(w.jumps) {
		switch {
		case j.loop && name == "continue":
			j.repeat = join(j.repeat, st, line)
			return ends{}
		case j.loop && name == "break", !j.loop && name == "return":
			j.out = join(j.out, st, line)
			return ends{}
		}
	}
	return ends{ok: st, bad: st}
}

// function follows a call of a function of the script.
func (w *walker) function(s *syntax.Stmt, name string, args []word, st *state) ends {
	line := w.line(s)
	body := w.functions[name]
	if w.calls >= 8 {
		w.hidden.first(line, name+" calls itself, perhaps for ever")
		return ends{}
	}
	jumped, outerApplies := w.jumps, w.inside
	j := &jumps{}
	w.jumps, w.inside = append(w.jumps, j), false
	w.calls++
	outer := st.args
	st = st.clone()
	st.args = nil
	for _, a := range args {
		if a.wild {
			st.args = nil // it may be more than one, or none
			break
		}
		st.args = append(st.args, a.text)
	}
	e := w.stmt(body, st)
	w.calls--
	e.ok, e.bad = join(e.ok, j.out, line), join(e.bad, j.out, line)
	for _, p := range []**state{&e.ok, &e.bad, &e.soft} {
		if *p != nil {
			*p = (*p).clone()
			(*p).args = outer
		}
	}
	applies := w.inside
	w.jumps, w.inside = jumped, outerApplies
	if how, ok := shellApplies[name]; ok || applies {
		e.ok = w.applies(s, s.Cmd, how, e.ok)
	}
	return e
}
