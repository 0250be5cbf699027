// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// application is a command that applies patches.
type application struct {
	line  int // of the spec
	style style
	text  string
	fact           // what it finds
	in    string   // the directory in which it is told to work, as by -d
	tops  []string // where each turn of a loop finds the top of a tree; "" where it does not
}

// style is how a spec applies its patches.
type style int

const (
	stylePlain      style = iota // patch or git apply with a file of any name
	stylePatch                   // %patch5, %patch 5, %patch -P 5
	styleShell                   // ApplyPatch linux-2.6-foo.patch
	styleAutosetup               // %autosetup applies all patches that are declared
	styleAutopatch               // %autopatch applies all, or a range
	styleGitAm                   // git am %{patches}
	stylePatchesAll              // some other use of %{patches} by patch or git apply
	styleScript                  // a script that may do so
)

// shellApplies are the functions of Red Hat's kernels.
var shellApplies = map[string]style{"ApplyPatch": styleShell, "ApplyOptionalPatch": styleShell}

// applies notes that a command applies patches, and returns the state after it.
func (w *walker) applies(s syntax.Node, key syntax.Node, how style, st *state) *state {
	return w.apply(s, key, how, w.textOf(s), st)
}

// textOf are the lines of the spec that a command stands in.
func (w *walker) textOf(n syntax.Node) string {
	first, last := w.line(n), w.lineAt(n.End())
	if last < first || last >= len(w.spec.lines) {
		last = first
	}
	lines := make([]string, 0, last-first+1)
	for _, l := range w.spec.lines[first : last+1] {
		lines = append(lines, l.text)
	}
	return strings.Join(lines, "\n")
}

func (w *walker) apply(s syntax.Node, key syntax.Node, how style, text string, st *state) *state {
	if w.calls > 0 {
		w.inside = true
		return st
	}
	if st == nil {
		return nil
	}
	i, again := w.index[key]
	if !again {
		i = len(w.applied)
		w.index[key] = i
		w.applied = append(w.applied, application{line: w.line(s), style: how, text: text, fact: w.factOf(st)})
	} else if a := &w.applied[i]; a.dir != st.dir {
		a.dir, a.tree, a.lost = "", "", note{a.line, "it runs in more than one directory"}
	}
	top := st.top(st.dir)
	at := ""
	if top == st.dir {
		at = top
	}
	w.applied[i].tops = append(w.applied[i].tops, at)
	if top == "" {
		return st
	}
	c := st.clone()
	t := c.trees[top]
	t.applied = &applied{at: i, before: t.applied}
	if i == w.ours.at {
		t.ours, t.lost = yes, note{}
	}
	c.trees[top] = t
	return c
}

// patching tells whether a program applies patches, and how.
func (w *walker) patching(s *syntax.Stmt, c *syntax.CallExpr, words []word) (how style, ok bool) {
	var node syntax.Node = s
	if w.pipe != nil {
		node = w.pipe
	}
	name, args := path.Base(words[0].text), words[1:]
	if p := onlyParameter(c.Args[0]); p != nil && p.Param.Value == "patch_command" {
		name = "patch"
	}
	if interpreters[name] && scriptOf(args) != "" {
		return styleScript, true
	}
	if !appliesPatches(name, args, len(s.Redirs) > 0 || w.pipe != nil) {
		return 0, false
	}
	all := w.allPatches(s, c, node, name)
	if name == "xargs" && w.listing {
		w.pattern.first(w.line(s), patternReason)
	}
	switch {
	case all && name == "git" && gitCommand(args) == "am":
		return styleGitAm, true
	case all:
		return stylePatchesAll, true
	}
	return stylePlain, true
}

// appliesPatches tells programs that apply patches. patch itself does nothing without an argument or an input.
func appliesPatches(name string, args []word, input bool) bool {
	switch {
	case name == "patch" || name == "gpatch":
		return len(args) > 0 || input
	case name == "git":
		sub := gitCommand(args)
		return sub == "am" || sub == "apply"
	case name == "quilt":
		return strings.Contains(" "+text(args), " push")
	case name == "xargs":
		return slices.ContainsFunc(args, func(a word) bool { return path.Base(a.text) == "patch" || a.text == "am" || a.text == "apply" })
	}
	return strings.Contains(name, "apply-patches") || strings.Contains(name, "apply_patches")
}

// allPatches tells whether a command that applies patches names all that are declared, and notes a pattern
// that may match ours.
func (w *walker) allPatches(s *syntax.Stmt, c *syntax.CallExpr, node syntax.Node, name string) (all bool) {
	dirs := map[syntax.Node]bool{}
	for i, x := range c.Args {
		dirs[x] = i > 0 && tellsDirectory(name, c.Args[i-1].Lit()) || strings.HasPrefix(w.eval(x, &state{}).text, "--directory=")
	}
	syntax.Walk(node, func(n syntax.Node) bool {
		if dirs[n] {
			return false
		}
		switch x := n.(type) {
		case *syntax.Lit:
			all = all || strings.Contains(w.script.decode(x.Value), "%{patches}")
		case *syntax.Word:
			if text := w.eval(x, &state{}); (text.glob || text.list) && w.mayFind(text.text) {
				w.pattern.first(w.line(s), patternReason)
			}
		case *syntax.ParamExp:
			if x.Param != nil && w.patterns[x.Param.Value] {
				w.pattern.first(w.line(s), patternReason)
			}
		}
		return true
	})
	return all
}

const patternReason = "it applies all patches that match a pattern, and ours may match"

// mayFind tells whether a pattern may find our patch.
func (w *walker) mayFind(pattern string) bool {
	return w.sources.ours == "" || may(path.Base(pattern), w.sources.ours)
}

var interpreters = map[string]bool{"sh": true, "bash": true, "dash": true, "ksh": true, "perl": true, "python": true, "python2": true, "python3": true}

// scriptOf is the file out of the tree that an interpreter runs.
func scriptOf(args []word) string {
	for _, a := range args {
		if strings.HasPrefix(a.text, "-") {
			if a.text == "-c" {
				return ""
			}
			continue
		}
		if strings.HasPrefix(a.text, "../") || outside.MatchString(a.text) {
			return a.text
		}
		return ""
	}
	return ""
}

// gitCommand is git's own command behind its options.
func gitCommand(args []word) string {
	for i := 0; i < len(args); i++ {
		switch a := args[i].text; {
		case a == "-C" || a == "-c" || a == "--git-dir" || a == "--work-tree":
			i++
		case strings.HasPrefix(a, "-"):
		default:
			return a
		}
	}
	return ""
}
