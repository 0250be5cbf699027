// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"maps"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// gateFile is the file that every port of the patch changes.
const gateFile = "fs/namespace.c"

// state is where the shell is, and what lies in the build directory. It is never changed
// where two branches may have it: who changes it takes a copy.
type state struct {
	dir   string // "" where it is not known
	lost  note   // why it is not
	aside bool   // it was entered by a link to somewhere with another parent
	old   string // of cd -
	stack []string
	vars  map[string]string
	args  []string // of the function
	exits bool     // a command that fails ends the script, as with set -e
	files
}

// files are the directories that are known.
type files struct {
	trees map[string]tree // kernel trees by path
	boxes map[string]box  // where tarballs were unpacked that have directories of their own
	made  map[string]bool // directories that are no trees
	odd   map[string]note // directories of which nobody knows what was put in them
	// links are the links that were made, with what they were told to lead to; "" where that
	// is not known.
	links map[string]string
}

// tree is a directory with a kernel in it.
type tree struct {
	ours    truth // whether our patch is in it
	lost    note  // why it is no more
	sure    bool  // it is there for certain
	applied *applied
}

// has tells whether our patch is in a tree wherever the spec applies patches at all.
func (t tree) has() bool { return t.ours != no && t.lost.why == "" }

// applied are the places at which patches were applied to a tree, the last one first.
type applied struct {
	at           int // index of the application
	before, also *applied
}

func (a *applied) all(seen map[*applied]bool, found map[int]bool) {
	for ; a != nil && !seen[a]; a = a.before {
		seen[a], found[a.at] = true, true
		a.also.all(seen, found)
	}
}

// box is a directory in which a tarball with a directory of its own was unpacked.
type box struct {
	named bool // the kernel's is known
	mixed bool // others are there, too: only the tarball's own name tells
}

func (s *state) clone() *state {
	c := *s
	c.stack = slices.Clone(s.stack)
	c.vars = maps.Clone(s.vars)
	c.files = files{maps.Clone(s.trees), maps.Clone(s.boxes), maps.Clone(s.made), maps.Clone(s.odd), maps.Clone(s.links)}
	return &c
}

// join is the state after two branches that end in a and b; nil is one that ends the script.
func join(a, b *state, line int) *state {
	switch {
	case a == nil || a == b:
		return b
	case b == nil:
		return a
	}
	c := a.clone()
	if a.dir != b.dir {
		c.dir, c.lost = "", note{line, "the command there may or may not change the directory"}
		if a.dir == "" {
			c.lost = a.lost
		} else if b.dir == "" {
			c.lost = b.lost
		}
	}
	c.aside = a.aside || b.aside
	if a.old != b.old {
		c.old = ""
	}
	if !slices.Equal(a.stack, b.stack) {
		c.stack = nil
	}
	maps.DeleteFunc(c.vars, func(k, v string) bool { other, ok := b.vars[k]; return !ok || other != v })
	c.exits = a.exits && b.exits
	for name, t := range c.trees {
		if other, ok := b.trees[name]; ok {
			c.trees[name] = joinTrees(t, other)
		} else {
			t.sure = false
			c.trees[name] = t
		}
	}
	for name, t := range b.trees {
		if _, ok := a.trees[name]; !ok {
			t.sure = false
			c.trees[name] = t
		}
	}
	for name, x := range b.boxes {
		have, both := c.boxes[name]
		if both && have.named != x.named {
			// What was taken for the kernel's tree in one branch need not be there.
			have.named, x.named = false, false
			maps.DeleteFunc(c.trees, func(k string, t tree) bool { return path.Dir(k) == name && !t.sure && t.ours == no })
		}
		c.boxes[name] = box{have.named || x.named, have.mixed || x.mixed}
	}
	maps.DeleteFunc(c.made, func(k string, _ bool) bool { return !b.made[k] })
	maps.Copy(c.odd, b.odd)
	maps.Copy(c.links, b.links)
	for name := range c.links {
		one, inA := a.links[name]
		if other, inB := b.links[name]; !inA || !inB || one != other {
			c.links[name] = ""
		}
	}
	return c
}

func joinTrees(a, b tree) tree {
	c := tree{ours: a.ours, lost: a.lost, sure: a.sure && b.sure, applied: a.applied}
	if a.ours != b.ours {
		c.ours = cannotTell
	}
	if c.lost.why == "" {
		c.lost = b.lost
	}
	if b.applied != a.applied && b.applied != nil {
		if a.applied == nil {
			c.applied = b.applied
		} else {
			c.applied = &applied{at: a.applied.at, before: a.applied.before, also: b.applied}
		}
	}
	return c
}

// variable tells what a plain use of a variable comes to.
func (s *state) variable(p *syntax.ParamExp) (string, bool) {
	if p.Param == nil || p.Excl || p.Length || p.Width || p.Index != nil || p.Slice != nil || p.Repl != nil || p.Names != 0 || p.Exp != nil {
		return "", false
	}
	name := p.Param.Value
	switch n, number := number(name); {
	case number:
		if n > 0 && n <= len(s.args) {
			return s.args[n-1], true
		}
		return "", false
	case name == "PWD":
		return s.dir, s.dir != ""
	}
	value, ok := s.vars[name]
	return value, ok
}

// top is the tree in which a path is, "" for none.
func (s *state) top(name string) string {
	for ; len(name) > len(buildRoot); name = path.Dir(name) {
		if _, ok := s.trees[name]; ok {
			return name
		}
	}
	return ""
}

// exists tells whether a directory is there for certain.
func (s *state) exists(name string) bool {
	_, box := s.boxes[name]
	return name == buildRoot || box || s.made[name] || s.trees[name].sure
}

// enter makes a directory of a box the kernel's tree, where it can be nothing else. stem
// is the name that the kernel's tarball has without its ending.
func (s *state) enter(name, stem string) *state {
	if name == "" || s.top(name) != "" || s.made[name] || s.odd[name].why != "" {
		return s
	}
	parent := path.Dir(name)
	b, ok := s.boxes[parent]
	if own := path.Base(name) == stem; !ok || b.named || b.mixed && !own {
		return s
	}
	c := s.clone()
	c.trees[name] = tree{sure: path.Base(name) == stem}
	c.boxes[parent] = box{named: true, mixed: b.mixed}
	return c
}

// lose notes that the tree in which a path is may not hold our patch any more. The state
// is the caller's own.
func (s *state) lose(name string, n note) {
	if top := s.top(name); top != "" {
		t := s.trees[top]
		if t.ours != no {
			t.ours, t.lost = cannotTell, n
			s.trees[top] = t
		}
	}
}

// overwritten notes that a path was removed, or that something else was put in its place. The
// path may be a pattern.
func (s *state) overwritten(name string, n note) {
	top := s.top(name)
	if top == "" || name == top {
		return
	}
	below := strings.TrimPrefix(name, top+"/")
	for file := gateFile; file != "."; file = path.Dir(file) {
		if ok, _ := path.Match(below, file); ok || below == file {
			s.lose(name, n)
		}
	}
}
