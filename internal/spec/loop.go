// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"maps"
	"slices"
	"strings"

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
	items := make([]*syntax.Word, 0, len(iter.Items))
	for _, item := range iter.Items {
		items = append(items, braces(item)...)
	}
	words := make([]word, 0, len(items))
	known, patches := true, false
	for _, item := range items {
		x := w.eval(item, st)
		known = known && !x.wild
		patches = patches || x.text == "%{patches}"
		if fields := strings.Fields(x.text); onlyParameter(item) != nil && !x.wild {
			for _, f := range fields {
				words = append(words, word{text: f})
			}
			continue
		}
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
		if known && len(words) <= maxTurns && !patches {
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

// each follows the turns of a loop over known words. Where it surely runs, a command may be put
// into it that shall run once in each of several trees.
func (w *walker) each(c *syntax.ForClause, name string, words []word, st *state) ends {
	j := &jumps{loop: true}
	w.jumps = append(w.jumps, j)
	line, first, end := w.line(c), w.lineAt(c.DoPos)+1, w.lineAt(c.DonePos)
	whole := w.surely()
	trees := map[int]map[string]bool{} // by line
	for _, x := range words {
		st = st.clone()
		st.vars[name] = x.text
		j.repeat = nil
		st = w.through(c.Do, first, end, st, func(at int, st *state) {
			if trees[at] == nil {
				trees[at] = map[string]bool{}
			}
			if w.mayPut(at, st) {
				trees[at][st.dir] = true
			}
		})
		whole = whole && j.repeat == nil && j.out == nil
		if st = join(st, j.repeat, line); st == nil {
			break
		}
	}
	for at := first; whole && at <= end; at++ {
		w.safe[at] = len(words) > 0 && len(trees[at]) == len(words)
	}
	if whole {
		w.onceInEach(first, end, len(words))
	}
	w.jumps = w.jumps[:len(w.jumps)-1]
	st = join(st, j.out, line)
	return ends{ok: st}
}

// onceInEach makes the applications of a loop, or a subshell, that surely runs what they are in any of its
// turns, where each turn is in the top of another tree.
func (w *walker) onceInEach(first, end, turns int) {
	for i := range w.applied {
		a := &w.applied[i]
		trees := map[string]bool{}
		for _, t := range a.tops {
			trees[t] = true
		}
		if a.line >= first && a.line <= end && a.block == w.blocks[0] && len(a.tops) == turns && len(trees) == turns && !trees[""] {
			a.dir, a.tree, a.block, a.lost = a.tops[0], a.tops[0], "", note{}
		}
	}
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
		if applies && takesPatches(args) {
			how = stylePatchesAll
		}
		e.ok = w.applies(s, s.Cmd, how, e.ok)
	}
	return e
}
