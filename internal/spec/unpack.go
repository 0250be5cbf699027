// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"strings"
)

// unpacking is what a command that unpacks an archive says.
type unpacking struct {
	archive string
	dir     string // into which; "" is not known
	strip   bool   // it leaves directories of the archive's names out
}

// unpacking reads the arguments of such a command; ok is false for one that unpacks nothing here.
func (st *state) unpacking(name string, args []word) (u unpacking, ok bool) {
	if name == "tar" && len(args) > 0 && !strings.HasPrefix(args[0].text, "-") {
		args = append([]word{{text: "-" + args[0].text}}, args[1:]...)
	}
	options, values, rest := flags(args, "fCd")
	ok = strings.Contains(options, "x") || strings.Contains(options, "--extract") || strings.Contains(options, "--get")
	u = unpacking{archive: values['f'], dir: st.dir, strip: strings.Contains(options, "strip-components")}
	switch name {
	case "cpio":
		ok = strings.Contains(options, "i")
	case "unzip":
		if ok = true; len(rest) > 0 {
			u.archive = rest[0].text
		}
	}
	if !ok || strings.Contains(options, "to-stdout") || strings.Contains(options, "O") {
		return u, false
	}
	for o := range strings.FieldsSeq(options) {
		if f, ok := strings.CutPrefix(o, "--file="); ok {
			u.archive = f
		} else if d, ok := strings.CutPrefix(o, "--directory="); ok {
			values['C'] = d
		}
	}
	for _, key := range []byte("Cd") {
		if to, ok := values[key]; ok && (name != "cpio") {
			u.dir = st.at(to)
			if strings.Contains(to, "*") {
				u.dir = ""
			}
		}
	}
	return u, true
}

// unpack follows the unpacking of an archive.
func (w *walker) unpack(name string, args []word, st *state, line int) *state {
	u, ok := st.unpacking(name, args)
	if !ok {
		return st
	}
	st = st.clone()
	kernel := w.sources.isKernel(u.archive)
	if isSource(u.archive) && !kernel {
		if b, ok := st.boxes[u.dir]; ok {
			b.mixed = true
			st.boxes[u.dir] = b
		}
		return st
	}
	n := note{line, "what is unpacked there may take its place"}
	if u.dir == "" || st.top(u.dir) != "" {
		for top := range st.trees {
			if u.dir == "" || within(top, u.dir) {
				st.lose(top, n)
			}
		}
		return st
	}
	for top := range st.trees {
		if path.Dir(top) == u.dir {
			st.lose(top, n)
		}
	}
	to := u.dir
	switch {
	case u.strip:
	case kernel && w.sources.stem != "":
		to = path.Join(u.dir, w.sources.stem)
	default:
		return st
	}
	switch {
	case st.top(to) != "":
	case kernel:
		st.trees[to] = tree{sure: true}
		delete(st.made, to)
	default:
		st.odd[to] = note{line, "what is unpacked there is not known"}
	}
	return st
}

// git follows the commands that bring files back as they were.
func (w *walker) git(args []word, st *state, line int) *state {
	sub := gitCommand(args)
	rest := " " + text(args) + " "
	back := false
	switch sub {
	case "reset":
		back = strings.Contains(rest, " --hard") || strings.Contains(rest, " --merge") || strings.Contains(rest, " --keep")
	case "checkout", "switch":
		back = !strings.Contains(rest, " -b ") && !strings.Contains(rest, " -B ") && !strings.Contains(rest, " -c ") && !strings.Contains(rest, " --orphan ")
	case "stash":
		back = !strings.Contains(rest, " list") && !strings.Contains(rest, " show")
	case "restore", "rebase", "revert", "read-tree", "checkout-index":
		back = true
	case "clone", "worktree":
		st = st.clone()
		if to := st.at(args[len(args)-1].text); to != "" && !args[len(args)-1].wild {
			st.odd[to] = note{line, "git puts a tree there that lacks what is not committed"}
		}
		return st
	}
	if !back {
		return st
	}
	dir := st.dir
	if _, values, _ := flags(args, "Cc"); values['C'] != "" {
		dir = st.at(values['C'])
	}
	st = st.clone()
	for top := range st.trees {
		if dir == "" || within(top, dir) {
			st.lose(top, note{line, "git " + sub + " there may bring the files back as they were"})
		}
	}
	return st
}
