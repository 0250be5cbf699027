// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// word is what a word of the shell comes to. A part that is not known, and a pattern, are
// a * in it.
type word struct {
	text string
	wild bool
	glob bool // it is a pattern of file names
	list bool // it is what a command prints that lists files
}

// eval tells what a word comes to in a state.
func (w *walker) eval(x *syntax.Word, st *state) word {
	var out word
	if x != nil {
		w.parts(x.Parts, st, &out, false)
	}
	return out
}

func (w *walker) parts(parts []syntax.WordPart, st *state, out *word, quoted bool) {
	unknown := func() { out.text, out.wild = out.text+"*", true }
	for i, part := range parts {
		switch p := part.(type) {
		case *syntax.Lit:
			text := w.script.decode(p.Value)
			if !quoted {
				if i == 0 && strings.HasPrefix(text, "~") {
					unknown()
					text = strings.TrimPrefix(text, "~")
				}
				if strings.ContainsAny(bracedMacro.ReplaceAllString(text, ""), "*?[") {
					out.wild, out.glob = true, true
				}
			}
			out.text += unescape(text, quoted)
		case *syntax.SglQuoted:
			out.text += w.script.decode(p.Value)
		case *syntax.DblQuoted:
			w.parts(p.Parts, st, out, true)
		case *syntax.ParamExp:
			if value, ok := st.variable(p); ok {
				out.text += value
			} else {
				unknown()
			}
		case *syntax.CmdSubst:
			if c := onlyCall(p.Stmts); c != nil && w.name(c) == "pwd" && st.dir != "" {
				out.text += st.dir
				continue
			}
			out.list = out.list || w.lists(p)
			unknown()
		default:
			unknown()
		}
	}
}

// maxWords is how many words the braces of one may make that are told one by one.
const maxWords = 64

// braces are the words that bash makes of one with {a,b}. Too many, and a {1..9}, stay a part
// that is not known.
func braces(x *syntax.Word) []*syntax.Word {
	c := &syntax.Word{Parts: slices.Clone(x.Parts)}
	if !syntax.SplitBraces(c) {
		return []*syntax.Word{x}
	}
	if wordsOf(c) == 0 {
		return []*syntax.Word{c}
	}
	return expand.Braces(c)
}

// wordsOf is how many words come of one, 0 where that is not counted.
func wordsOf(x *syntax.Word) int {
	n := 1
	for _, part := range x.Parts {
		b, ok := part.(*syntax.BraceExp)
		if !ok {
			continue
		}
		sum := 0
		for _, e := range b.Elems {
			one := wordsOf(e)
			if one == 0 {
				return 0
			}
			sum += one
		}
		if n *= sum; b.Sequence || n > maxWords {
			return 0
		}
	}
	return n
}

var bracedMacro = regexp.MustCompile(`%\{[^}]*\}`)

func unescape(text string, quoted bool) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	text = strings.ReplaceAll(text, "\\\n", "")
	if quoted {
		return strings.NewReplacer(`\"`, `"`, `\$`, `$`, `\\`, `\`).Replace(text)
	}
	return strings.ReplaceAll(text, `\`, "")
}

// onlyCall is the one simple command of a list.
func onlyCall(list []*syntax.Stmt) *syntax.CallExpr {
	if len(list) == 1 {
		c, _ := list[0].Cmd.(*syntax.CallExpr)
		return c
	}
	return nil
}

// name is the word that a command begins with, where that is plain text.
func (w *walker) name(c *syntax.CallExpr) string {
	if len(c.Args) == 0 {
		return ""
	}
	return w.script.decode(c.Args[0].Lit())
}

// lists tells whether a node runs a program that lists files.
func (w *walker) lists(n syntax.Node) (found bool) {
	syntax.Walk(n, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.CallExpr); ok {
			switch w.name(c) {
			case "ls", "find":
				found = true
			case "echo", "printf":
				for _, a := range c.Args {
					found = found || w.eval(a, &state{}).glob
				}
			}
		}
		return !found
	})
	return found
}

// buildRoot is the directory below which the package is unpacked, as its name begins here.
const buildRoot = "%{_builddir}"

// outside are macros and variables that are directories outside of it.
var outside = regexp.MustCompile(`^(/|%\{\??(_\w+|buildroot|SOURCE\d*|PATCH\d*)\})`)

// resolve is the path that a word is in a directory; "" where that is not known.
func resolve(dir, to string) string {
	switch {
	case to == buildRoot || strings.HasPrefix(to, buildRoot+"/"):
		to = path.Clean(to)
		if to != buildRoot && !strings.HasPrefix(to, buildRoot+"/") {
			return "" // it leads out by ..
		}
		return to
	case outside.MatchString(to):
		return "/" + strings.TrimPrefix(path.Clean(to), "/")
	case dir == "" || to == "" || strings.HasPrefix(to, "%"):
		return "" // a macro may hold any path
	}
	if strings.HasPrefix(dir, "/") {
		if to = path.Join(dir, to); to == "/" || path.Dir(to) == "/" {
			return ""
		}
		return to
	}
	return resolve("", path.Join(dir, to))
}

// within tells whether a path is a directory, or in it.
func within(dir, name string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// may tells whether a pattern may be a name, each with macros that are not known.
func may(pattern, name string) bool {
	pattern, name = strings.TrimPrefix(pattern, buildRoot), strings.TrimPrefix(name, buildRoot)
	pattern = bracedMacro.ReplaceAllString(pattern, "*")
	if ok, err := path.Match(pattern, name); ok || err != nil {
		return true
	}
	if !strings.Contains(name, "%{") {
		return false
	}
	// Both have unknown parts: the known ends must agree.
	a, b := strings.IndexByte(pattern, '*'), strings.IndexByte(name, '%')
	if a < 0 {
		a = len(pattern)
	}
	n := min(a, b)
	return pattern[:n] == name[:n]
}
