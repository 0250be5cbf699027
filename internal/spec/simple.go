// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

const patchesKept = "which of all patches are applied then is not followed"

func (w *walker) assign(a *syntax.Assign, st *state) {
	if a.Name == nil {
		return
	}
	value := w.eval(a.Value, st)
	if a.Array != nil && w.namesPatches(a.Array) {
		w.hidden.first(w.line(a), patchesKept)
	}
	if a.Naked || a.Append || a.Index != nil || a.Array != nil || value.wild {
		if !a.Naked {
			delete(st.vars, a.Name.Value)
		}
		return
	}
	st.vars[a.Name.Value] = value.text
}

// redirect follows a command's output into a file.
func (w *walker) redirect(r *syntax.Redirect, st *state) *state {
	switch r.Op {
	case syntax.RdrOut, syntax.ClbOut, syntax.RdrAll:
		if to := w.eval(r.Word, st); !to.wild {
			st = st.clone()
			st.overwritten(st.at(to.text), note{w.line(r), "what is written there takes its place"})
		}
	}
	return st
}

// rpmPercent is what rpm leaves of %%patch.
var rpmPercent = regexp.MustCompile(`^%(setup|patch\d*)$`)

// wrappers run the command that follows them.
var wrappers = map[string]bool{"command": true, "builtin": true, "env": true, "nice": true, "time": true, "nohup": true, "eatmydata": true, "fakeroot": true}

// call follows a simple command.
func (w *walker) call(s *syntax.Stmt, c *syntax.CallExpr, st *state) ends {
	if len(c.Args) == 0 {
		st = st.clone()
		for _, a := range c.Assigns {
			w.assign(a, st)
		}
		return ends{ok: st, bad: st}
	}
	if m, ok := w.only(c.Args[0].Lit()); ok {
		return w.macro(s, c, m, st)
	}
	words := make([]word, 0, len(c.Args))
	for _, a := range c.Args {
		for _, x := range braces(a) {
			words = append(words, w.eval(x, st))
		}
	}
	for len(words) > 1 && wrappers[words[0].text] {
		words = words[1:]
		for len(words) > 1 && (strings.HasPrefix(words[0].text, "-") || strings.Contains(words[0].text, "=")) {
			words = words[1:]
		}
	}
	if p := onlyParameter(c.Args[0]); p != nil && !words[0].wild {
		// A command that a variable holds.
		held := strings.Fields(words[0].text)
		if len(held) == 0 {
			return ends{ok: st, bad: st}
		}
		words = words[1:]
		for _, h := range slices.Backward(held) {
			words = append([]word{{text: h}}, words...)
		}
	}
	name := words[0].text
	if rpmPercent.MatchString(name) {
		w.fails(s, "rpm before 4.20 takes %%%s at the begin of a line for the macro", name)
	}
	if w.functions[name] != nil {
		return w.function(s, name, words[1:], st)
	}
	if _, ok := shellApplies[name]; ok {
		return ends{ok: w.applies(s, c, styleShell, st)}
	}
	return w.program(s, c, words, st)
}

func onlyParameter(x *syntax.Word) *syntax.ParamExp {
	if len(x.Parts) != 1 {
		return nil
	}
	p, _ := x.Parts[0].(*syntax.ParamExp)
	return p
}

// macro follows a command of rpm's.
func (w *walker) macro(s *syntax.Stmt, c *syntax.CallExpr, m mark, st *state) ends {
	if m.kind != markCommand {
		return w.unknownMacro(s, c, m, st)
	}
	how := styleAutopatch
	switch {
	case autosetup.MatchString(m.text):
		if st = w.setup(m.text, st, w.line(s)); hasOption(m.text, 'N') {
			return ends{ok: st}
		}
		how = styleAutosetup
	case setup.MatchString(m.text):
		return ends{ok: w.setup(m.text, st, w.line(s))}
	case patchMacro.MatchString(m.text):
		how = stylePatch
		if dir, given := option(w.macros(m.text), 'd'); given {
			return ends{ok: w.applyIn(s, c, how, m.text, word{text: dir, wild: strings.ContainsAny(dir, "$*?[~")}, st)}
		}
	}
	return ends{ok: w.apply(s, c, how, m.text, st)}
}

// harmless are macros of distributions that neither apply patches nor change the directory.
var harmless = regexp.MustCompile(`^%\{?\??(py3?_shebang_fix|python3?|_?smp_mflags|set_build_flags)\b`)

// unknownMacro follows a command that is a macro of which the spec does not tell what it is.
func (w *walker) unknownMacro(s *syntax.Stmt, c *syntax.CallExpr, m mark, st *state) ends {
	name, _, _ := strings.Cut(m.text, "\n")
	why := "what " + name + " does here is not in the text"
	switch {
	case isSource(m.text): // a program of the package
		st = w.apply(s, c, styleScript, w.textOf(s), st)
		return ends{ok: st, bad: st}
	case harmless.MatchString(m.text):
		return ends{ok: st, bad: st}
	case !strings.HasPrefix(m.text, "%{?") || strings.Contains(m.text, "patch"):
		w.fails(s, "%s", why)
		return ends{ok: st}
	}
	// Where it is defined it may do anything, and end in another directory.
	st = st.clone()
	st.dir, st.old, st.stack, st.lost = "", "", nil, note{w.line(s), why}
	return ends{ok: st, bad: st}
}

// shell follows what the shell does itself. ok is false for other programs.
func (w *walker) shell(s *syntax.Stmt, words []word, st *state) (e ends, ok bool) {
	line := w.line(s)
	switch name := words[0].text; name {
	case ":", "true":
		return ends{ok: st}, true
	case "false":
		return ends{bad: st}, true
	case "cd", "pushd", "popd", "dirs":
		return w.directory(name, words[1:], st, line), true
	case "exit":
		return w.exit(words[1:], line), true
	case "exec":
		if len(words) == 1 {
			return ends{ok: st}, true // it turns the script's own output
		}
		if w.shells == 0 {
			w.ended.first(line, "%prep may end by "+text(words))
		}
		return ends{}, true
	case "break", "continue", "return":
		return w.jump(name, st, line), true
	case "set":
		if takesPatches(words) {
			w.hidden.first(line, patchesKept)
		}
		return w.set(words[1:], st), true
	case "unset", "read", "mapfile", "readarray", "getopts":
		st = st.clone()
		for _, x := range words[1:] {
			delete(st.vars, x.text)
			if name == "read" && w.listing {
				w.patterns[x.text] = true
			}
		}
		return ends{ok: st, bad: st}, true
	case "eval", "source", ".", "trap", "alias":
		w.fails(s, "what %s does here is not in the text", name)
		return ends{ok: st, bad: st}, true
	case "shopt":
		if strings.Contains(text(words), "-s lastpipe") {
			w.fails(s, "what %s does here is not in the text", "shopt -s lastpipe")
		}
		return ends{ok: st, bad: st}, true
	}
	return ends{}, false
}

// takesPatches tells whether all of the package's patches are among the words.
func takesPatches(words []word) bool {
	return slices.ContainsFunc(words, func(x word) bool { return strings.Contains(x.text, "%{patches}") })
}

func text(words []word) string {
	list := make([]string, 0, len(words))
	for _, x := range words {
		list = append(list, x.text)
	}
	return strings.Join(list, " ")
}

func (w *walker) set(words []word, st *state) ends {
	st = st.clone()
	for i, x := range words {
		switch {
		case x.text == "--":
			st.args = nil
			return ends{ok: st}
		case strings.HasPrefix(x.text, "+") && strings.Contains(x.text, "e"), x.text == "errexit" && i > 0 && words[i-1].text == "+o":
			st.exits = false
		case strings.HasPrefix(x.text, "-") && strings.Contains(x.text, "e"), x.text == "errexit":
			st.exits = true
		}
	}
	return ends{ok: st}
}

// exit follows the end of the script, or of a subshell.
func (w *walker) exit(words []word, line int) ends {
	status := text(words)
	// Who ends badly ends the build.
	if w.shells == 0 && (status == "" || status == "0" || strings.Trim(status, "0123456789") != "") {
		w.ended.first(line, strings.TrimSpace("%prep may end by exit "+status))
	}
	return ends{}
}
