// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// sources are what is known of the files that come with the spec.
type sources struct {
	ours    string // file name of our patch
	archive string // the macro of the kernel's tarball, as %{SOURCE0}
	file    string // its name
	stem    string // without its ending
}

var archiveEnd = regexp.MustCompile(`\.(tar(\.\w+)?|tgz|tbz2?|txz|tlz|zip)$`)

// isKernel tells whether a word names the kernel's tarball.
func (s sources) isKernel(text string) bool {
	return text != "" && (text == s.archive || text == "%{SOURCE}" && s.archive == "%{SOURCE0}" || s.file != "" && path.Base(text) == s.file)
}

// isSource tells whether a word names a file that comes with the spec.
func isSource(text string) bool {
	return strings.HasPrefix(text, "%{SOURCE") || strings.HasPrefix(text, "%{_sourcedir}/")
}

// program follows a command that is no function and none of rpm's.
func (w *walker) program(s *syntax.Stmt, c *syntax.CallExpr, words []word, st *state) ends {
	line := w.line(s)
	if e, ok := w.shell(s, words, st); ok {
		if w.build && words[0].text == ":" {
			w.worksIn(":", nil, st, line)
		}
		return e
	}
	name := path.Base(words[0].text)
	if interpreters[name] {
		if e, ok := w.inner(s, words[1:], st); ok {
			return e
		}
	}
	if how, ok := w.patching(s, c, words); ok {
		var after *state
		if to, given := elsewhere(name, words[1:]); given {
			after = w.applyIn(s, c, how, w.textOf(s), to, st)
		} else {
			after = w.apply(s, c, how, w.textOf(s), st)
		}
		return ends{ok: after, bad: after}
	}
	next := st
	args := words[1:]
	switch name {
	case "mkdir":
		next = w.mkdir(args, st)
	case "ln":
		return w.link(args, st, line)
	case "mv":
		next = w.move(args, st, line)
	case "cp", "rsync", "install":
		next = w.copies(name, args, st, line)
	case "rm":
		next = w.remove(args, st, line)
	case "tar", "bsdtar", "cpio", "unzip":
		next = w.unpack(name, args, st, line)
	case "git":
		next = w.git(args, st, line)
	}
	if w.build {
		w.worksIn(name, args, next, line)
	}
	return ends{ok: next, bad: next}
}

// applyIn notes that a command applies patches in the directory that it is told.
func (w *walker) applyIn(s, key syntax.Node, how style, text string, to word, st *state) *state {
	dir := st.at(to.text)
	at := st.enter(dir, w.sources.stem).clone()
	if at.dir = dir; to.wild {
		at.dir, at.lost = "", note{w.line(s), "a variable or a pattern tells the directory"}
	}
	after := w.apply(s, key, how, text, at).clone()
	if i, noted := w.index[key]; noted && !to.wild {
		w.applied[i].in = to.text
	}
	after.dir, after.lost = st.dir, st.lost
	return after
}

// elsewhere is the directory that patch or git are told to work in.
func elsewhere(name string, args []word) (word, bool) {
	for i, a := range args {
		if dir, ok := strings.CutPrefix(a.text, "--directory="); ok {
			return word{text: dir, wild: a.wild}, true
		}
		if tellsDirectory(name, a.text) && i+1 < len(args) {
			return args[i+1], true
		}
	}
	return word{}, false
}

func tellsDirectory(name, option string) bool {
	return name == "git" && option == "-C" || name != "git" && (option == "-d" || option == "--directory")
}

// inner follows what a shell is given as text.
func (w *walker) inner(s *syntax.Stmt, args []word, st *state) (ends, bool) {
	text, given := "", false
	for i, a := range args {
		if strings.HasPrefix(a.text, "-") && strings.HasSuffix(a.text, "c") && i+1 < len(args) {
			if args[i+1].wild {
				w.fails(s, "what a shell does here is not in the text")
				return ends{ok: st, bad: st}, true
			}
			text, given = args[i+1].text, true
		}
	}
	for _, r := range s.Redirs {
		if r.Hdoc != nil {
			body := w.eval(&syntax.Word{Parts: []syntax.WordPart{&syntax.DblQuoted{Parts: r.Hdoc.Parts}}}, st)
			if body.wild {
				w.fails(s, "what a shell does here is not in the text")
				return ends{ok: st, bad: st}, true
			}
			text, given = body.text, true
		}
	}
	if !given {
		return ends{}, false
	}
	file, err := parseShell(text)
	if err != nil {
		w.fails(s, "what a shell does here cannot be read: %v", err)
		return ends{ok: st, bad: st}, true
	}
	// Its lines are those of its own text: all count as the line of the command.
	outer := w.script
	line := w.line(s)
	inner := *w.script
	inner.origin = []int{line}
	w.script = &inner
	e := w.subshell(file.Stmts, st, line)
	w.script = outer
	return ends{ok: st.outside(w.after(e, line)), bad: st}, true
}

// flags splits the options of a command off.
func flags(args []word, valued string) (options string, values map[byte]string, rest []word) {
	values = map[byte]string{}
	for i := 0; i < len(args); i++ {
		a := args[i].text
		switch {
		case strings.HasPrefix(a, "--") && len(a) > 2:
			options += " " + a
		case len(a) > 1 && a[0] == '-':
			options += a[1:]
			if last := a[len(a)-1]; strings.IndexByte(valued, last) >= 0 && i+1 < len(args) {
				i++
				values[last] = args[i].text
			}
		default:
			rest = append(rest, args[i])
		}
	}
	return options, values, rest
}
