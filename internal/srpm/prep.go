// SPDX-License-Identifier: GPL-2.0-only

package srpm

import (
	"regexp"
	"strconv"
	"strings"
)

// prep is what %prep does, as far as it can be told without running it.
type prep struct {
	first, end int // its lines, without the section's own
	// safe tells for each line from first on, and for the end, whether a command before it would run once,
	// always, and in the top directory of the unpacked kernel tree.
	safe    []bool
	applied []application
	marker  int // line of "END OF PATCH APPLICATIONS", -1 without
	// functions are the shell functions that apply patches in kernels of Red Hat's kind.
	functions map[string]bool
}

// application is a line that applies patches.
type application struct {
	line  int
	style style
	text  string
}

// style is how a spec applies its patches.
type style int

const (
	stylePatch      style = iota // %patch5, %patch 5, %patch -P 5
	styleShell                   // ApplyPatch linux-2.6-foo.patch
	styleAutosetup               // %autosetup applies all patches that are declared
	styleAutopatch               // %autopatch applies all, or a range
	styleGitAm                   // git am %{patches}
	stylePatchesAll              // some other use of %{patches} by patch or git apply
)

var (
	patchMacro   = regexp.MustCompile(`^\s*%\{?patch(\d*)\b`)
	shellApply   = regexp.MustCompile(`^\s*(ApplyPatch|ApplyOptionalPatch)\s+\S`)
	shellDefine  = regexp.MustCompile(`^\s*(?:function\s+)?([A-Za-z_]\w*)\s*\(\)\s*(.*)$`)
	autosetup    = regexp.MustCompile(`^\s*%autosetup\b(.*)$`)
	autopatch    = regexp.MustCompile(`^\s*%autopatch\b(.*)$`)
	setup        = regexp.MustCompile(`^\s*%(?:auto)?setup\b(.*)$`)
	allPatches   = regexp.MustCompile(`%\{?patches\}?`)
	applyProgram = regexp.MustCompile(`\b(patch\s+-|git\s+(am|apply)\b|\$patch_command)`)
	loopStart    = regexp.MustCompile(`^\s*for\s+\w+\s+in\s.*%\{?patches\}?`)
	loopEnd      = regexp.MustCompile(`(^|;)\s*done\b`)
	endMarker    = regexp.MustCompile(`(?i)^\s*#+\s*END OF PATCH APPLICATION`)
	hereDocument = regexp.MustCompile(`<<-?\s*["'\\]?([A-Za-z_]\w*)`)
	quoted       = regexp.MustCompile(`'[^']*'|"(?:[^"\\]|\\.)*"`)
	comment      = regexp.MustCompile(`(^|\s)#.*$`)
	segments     = regexp.MustCompile(`;|&&|\|\||\|`)
)

// readPrep finds %prep and follows it line by line.
func (s *spec) readPrep() (*prep, error) {
	p := &prep{first: -1, marker: -1, functions: map[string]bool{}}
	for i, l := range s.lines {
		if l.section != "prep" || l.macro {
			continue
		}
		if p.first < 0 {
			p.first = i + 1
		}
		p.end = i + 1
	}
	if p.first < 0 {
		return nil, s.fail(0, "there is no %prep section", adviceReplace)
	}
	w := walker{depth: buildDirectory}
	for i := p.first; i < p.end; i++ {
		l := s.lines[i]
		p.safe = append(p.safe, w.safe(l))
		if l.macro {
			continue
		}
		inCode := w.inCode()
		if endMarker.MatchString(l.text) && w.safe(l) && p.marker < 0 {
			p.marker = i
		}
		if m := shellDefine.FindStringSubmatch(l.text); m != nil && inCode {
			p.functions[m[1]] = true
		}
		if st, ok := applies(l.text); ok && inCode {
			p.applied = append(p.applied, application{line: i, style: st, text: l.text})
		}
		if loopStart.MatchString(l.text) && inCode && s.loopApplies(i, p.end) {
			p.applied = append(p.applied, application{line: i, style: stylePatchesAll, text: l.text})
		}
		w.line(l.text)
	}
	p.safe = append(p.safe, w.safe(line{}))
	return p, nil
}

// loopApplies tells whether the shell loop that begins at line i applies patches.
func (s *spec) loopApplies(i, end int) bool {
	for ; i < end; i++ {
		text := s.lines[i].text
		if applyProgram.MatchString(text) || shellApply.MatchString(text) {
			return true
		}
		if loopEnd.MatchString(text) {
			return false
		}
	}
	return false
}

// applies tells whether a line applies patches, and how.
func applies(text string) (style, bool) {
	switch {
	case patchMacro.MatchString(text):
		return stylePatch, true
	case shellApply.MatchString(text):
		return styleShell, true
	case autopatch.MatchString(text):
		return styleAutopatch, true
	case autosetup.MatchString(text):
		return styleAutosetup, !hasOption(text, 'N')
	case strings.HasPrefix(strings.TrimSpace(text), "#"):
		return 0, false
	case allPatches.MatchString(text) && strings.Contains(text, "git am"):
		return styleGitAm, true
	case allPatches.MatchString(text) && applyProgram.MatchString(text):
		return stylePatchesAll, true
	}
	return 0, false
}

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

// hasOption tells whether a macro's argument line has a one-letter option.
func hasOption(text string, letter byte) bool {
	_, ok := option(text, letter)
	return ok
}

// option gives the value of a one-letter option, glued to it or the next word.
func option(text string, letter byte) (string, bool) {
	words := strings.Fields(text)
	for i, word := range words {
		if len(word) < 2 || word[0] != '-' {
			continue
		}
		at := strings.IndexByte(word[1:], letter)
		if at < 0 || strings.ContainsAny(word[1:1+at], "npabPmMS") {
			continue // it is part of another option's value
		}
		if rest := word[2+at:]; rest != "" {
			return rest, true
		}
		if i+1 < len(words) && strings.IndexByte("npabPmMS", letter) >= 0 {
			return words[i+1], true
		}
		return "", true
	}
	return "", false
}

// number reads a plain number; macros in its place are unknown.
func number(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil
}
