// SPDX-License-Identifier: GPL-2.0-only

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
	previous int  // for cd -
	left     bool // the tree was entered and left again: what comes later is another one
	blocks   []block
	here     string // the word that ends a here document
	inFunc   bool
	stack    []int // pushd
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
	return w.inCode() && !l.macro && len(w.blocks) == 0 && len(l.within) == 0 && w.depth == tree && !w.left
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
	if m := shellDefine.FindStringSubmatch(text); m != nil {
		w.inFunc = !strings.HasSuffix(strings.TrimSpace(m[2]), "}")
		return
	}
	if m := hereDocument.FindStringSubmatch(text); m != nil && !strings.Contains(text, "<<<") {
		w.here = m[1]
	}
	plain := comment.ReplaceAllString(quoted.ReplaceAllString(text, "_"), "")
	for _, segment := range segments.Split(plain, -1) {
		w.command(strings.Fields(segment))
	}
}

// setup follows %setup and %autosetup: with -c they make a directory and stay in it,
// without it the tarball's own directory is the tree.
func (w *walker) setup(options string) {
	if w.left {
		return
	}
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
	case "popd":
		if n := len(w.stack); n > 0 {
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
	depth := w.depth
	for part := range strings.SplitSeq(to, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
	}
	return depth
}
