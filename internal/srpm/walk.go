// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"strings"
)

// Depths of the working directory relative to the kernel tree's top.
const (
	buildDirectory = -2
	above          = -1 // where %setup -c has unpacked the tree's directory
	tree           = 0
	unknown        = 1000
)

// walker follows the working directory and the shell's nesting.
type walker struct {
	depth    int
	previous int    // for cd -
	left     bool   // the tree was entered and left again, or the shell ended: what comes later is not in it
	entered  string // what %setup of the tree named it; "" before
	// ended says why the lines that follow may not run; hidden what a line does that the
	// text does not show.
	ended, hidden string
	blocks        []block
	here          string // the word that ends a here document
	inFunc        bool
	stack         []int // pushd
	changed       bool  // the command before changed the directory
	again         bool  // %setup came again after the tree was there
	within        bool  // the command runs under a condition of rpm, or of another command
}

// block is an open if, loop or case of the shell.
type block struct {
	kind   string
	before int // depth where the block began
	then   int // depth at the end of the first branch
	other  bool
}

func (w *walker) inCode() bool { return w.here == "" && !w.inFunc }

func (w *walker) safe(l line) bool {
	return w.inCode() && !l.macro && len(w.blocks) == 0 && len(l.within) == 0 && w.depth == tree && !w.left && w.ended == ""
}

// line follows one line.
func (w *walker) line(text string) {
	if w.here != "" {
		if strings.TrimSpace(text) == w.here {
			w.here = ""
		}
		return
	}
	if w.inFunc {
		if strings.HasPrefix(strings.TrimSpace(text), "}") {
			w.inFunc = false
		}
		return
	}
	if m := setup.FindStringSubmatch(text); m != nil {
		w.setup(m[1])
		return
	}
	w.conceals(text)
	if m := shellDefine.FindStringSubmatch(text); m != nil {
		w.inFunc = !strings.HasSuffix(strings.TrimSpace(m[2]), "}")
		return
	}
	if m := hereDocument.FindStringSubmatch(text); m != nil && !strings.Contains(text, "<<<") {
		w.here = m[1]
	}
	plain := comment.ReplaceAllString(quoted.ReplaceAllString(text, "_"), "")
	piped := pipeline.MatchString(plain)
	joints := segments.FindAllString(plain, -1)
	for i, segment := range segments.Split(plain, -1) {
		before := w.depth
		words, open, closed := subshells(segment)
		for range open {
			w.blocks = append(w.blocks, block{kind: "(", before: w.depth})
		}
		w.within = w.within || i > 0 && (joints[i-1] == "||" || joints[i-1] == "&&")
		w.command(words)
		// Where a command runs only if another one did well or failed, or in the shell of
		// a pipe, nobody knows whether the directory is another one afterwards.
		if conditional := i > 0 && (joints[i-1] == "||" || joints[i-1] == "&&" && !w.changed); w.depth != before && open == 0 && (conditional || piped) {
			w.depth = unknown
		}
		w.changed = len(words) > 0 && (words[0] == "cd" || words[0] == "pushd")
		for range closed {
			if n := len(w.blocks); n > 0 && w.blocks[n-1].kind == "(" {
				w.depth = w.blocks[n-1].before
				w.blocks = w.blocks[:n-1]
			}
		}
	}
}

// subshells takes the parentheses of subshells off a command. Those of a case's pattern or
// of a substitution are none.
func subshells(segment string) (words []string, open, closed int) {
	text := strings.TrimSpace(segment)
	for strings.HasPrefix(text, "(") && !strings.HasPrefix(text, "((") {
		text, open = strings.TrimSpace(text[1:]), open+1
	}
	if unmatched := strings.Count(text, ")") - strings.Count(text, "("); unmatched > 0 && strings.HasSuffix(strings.TrimRight(text, " \t0123456789</>&"), ")") {
		closed = unmatched
		text = strings.ReplaceAll(text, ")", " ")
	}
	return strings.Fields(text), open, closed
}

// conceals notes what a line may do to the tree or to the shell that its text does not show.
func (w *walker) conceals(text string) {
	plain := strings.ReplaceAll(text, "%%", "")
	if w.hidden != "" {
		return
	}
	if m := commentMacro.FindStringSubmatch(plain); m != nil {
		w.hidden = "rpm expands macros in comments, too, and what " + m[1] + " makes there is run"
	} else if m := concealing.FindStringSubmatch(plain); m != nil {
		w.hidden = "what " + strings.TrimSpace(m[1]) + " does here is not in the text"
	}
}

// setup follows %setup and %autosetup: with -c they make a directory and stay in it,
// without it the tarball's own directory is the tree.
func (w *walker) setup(options string) {
	if w.left {
		return
	}
	name, _ := option("%setup "+options, 'n')
	if w.depth >= tree && len(w.blocks) == 0 && w.entered != "" {
		// Another tree, or this one unpacked again, over what was done to it.
		if name != strings.TrimPrefix(w.entered, "=") || !hasOption("%setup "+options, 'D') || !hasOption("%setup "+options, 'T') {
			w.left = true
			w.again = true
		}
		w.depth = tree
		return
	}
	w.entered = "=" + name
	if hasOption("%setup "+options, 'c') {
		w.move(above)
	} else {
		w.move(tree)
	}
}

func (w *walker) move(depth int) {
	// Once the tree was reached, going above it ends what is known about places in it.
	if w.depth >= tree && w.depth != unknown && depth < tree && len(w.blocks) == 0 {
		w.left = true
	}
	w.previous, w.depth = w.depth, depth
}

// command follows one simple command.
func (w *walker) command(words []string) {
	if len(words) == 0 {
		return
	}
	switch words[0] {
	case "then", "do", "else", "{", "!":
		if words[0] == "else" && len(w.blocks) > 0 {
			w.branch()
		}
		w.command(words[1:])
	case "if", "for", "while", "until", "case":
		w.blocks = append(w.blocks, block{kind: words[0], before: w.depth})
		if words[0] == "if" {
			w.command(words[1:])
		}
	case "elif":
		if len(w.blocks) > 0 {
			w.branch()
		}
	case "fi", "done", "esac":
		if len(w.blocks) > 0 {
			w.closeBlock()
		}
	case "cd", "pushd":
		to := w.depth
		if len(words) > 1 {
			to = w.target(words[1])
		} else {
			to = unknown
		}
		if words[0] == "pushd" {
			w.stack = append(w.stack, w.depth)
		}
		w.move(to)
	case "exit", "exec":
		if words[0] == "exec" && (len(words) == 1 || strings.ContainsAny(words[1], "<>")) {
			return
		}
		// Who ends badly ends the build.
		if status := strings.Join(words[1:], " "); words[0] == "exit" && status != "" && status != "0" && strings.Trim(status, "0123456789") == "" {
			w.left = w.left || len(w.blocks) == 0 && !w.within
			return
		}
		w.ended = "%prep may end by " + strings.Join(words, " ")
	case "dirs":
		w.stack = nil
	case "popd":
		if len(words) > 1 && strings.ContainsAny(words[1][:1], "+-") || len(w.stack) == 0 {
			w.depth, w.stack = unknown, nil
		} else if n := len(w.stack); n > 0 {
			w.move(w.stack[n-1])
			w.stack = w.stack[:n-1]
		}
	}
}

// branch begins another branch, from where the block began.
func (w *walker) branch() {
	b := &w.blocks[len(w.blocks)-1]
	if !b.other {
		b.then, b.other = w.depth, true
	} else if b.then != w.depth {
		b.then = unknown
	}
	w.depth = b.before
}

// closeBlock joins the branches: where they end in different places, the place is unknown.
func (w *walker) closeBlock() {
	b := w.blocks[len(w.blocks)-1]
	w.blocks = w.blocks[:len(w.blocks)-1]
	other := b.before // an if without else, or a loop that does not run
	if b.other {
		other = b.then
	}
	if b.kind == "(" {
		w.depth = b.before
		return
	}
	if w.depth != other {
		w.depth = unknown
	}
}

// target is where cd leads.
func (w *walker) target(to string) int {
	to = strings.TrimSuffix(to, "/")
	switch {
	case to == "-":
		return w.previous
	case w.depth == unknown, strings.HasPrefix(to, "/"), strings.HasPrefix(to, "%{_"), strings.HasPrefix(to, "$"), strings.HasPrefix(to, "~"), to == "_":
		return unknown
	}
	depth, out := w.depth, false
	for part := range strings.SplitSeq(to, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
			out = out || w.depth >= tree && depth < tree
		default:
			if out || strings.ContainsAny(bracedMacro.ReplaceAllString(part, ""), "*?[$") {
				return unknown // a directory beside the tree, or whichever matches
			}
			depth++
		}
	}
	return depth
}
