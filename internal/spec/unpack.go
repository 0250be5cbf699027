// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"strings"
)

// unpack follows the unpacking of an archive.
func (w *walker) unpack(name string, args []word, st *state, line int) *state {
	if name == "tar" && len(args) > 0 && !strings.HasPrefix(args[0].text, "-") {
		args = append([]word{{text: "-" + args[0].text}}, args[1:]...)
	}
	options, values, rest := flags(args, "fCd")
	out := strings.Contains(options, "x") || strings.Contains(options, "--extract") || strings.Contains(options, "--get")
	archive := values['f']
	switch name {
	case "cpio":
		out = strings.Contains(options, "i")
	case "unzip":
		if out = true; len(rest) > 0 {
			archive = rest[0].text
		}
	}
	if !out || strings.Contains(options, "to-stdout") || strings.Contains(options, "O") {
		return st
	}
	for o := range strings.FieldsSeq(options) {
		if f, ok := strings.CutPrefix(o, "--file="); ok {
			archive = f
		} else if d, ok := strings.CutPrefix(o, "--directory="); ok {
			values['C'] = d
		}
	}
	dir := st.dir
	for _, key := range []byte("Cd") {
		if to, ok := values[key]; ok && (name != "cpio") {
			dir = st.at(to)
			if strings.Contains(to, "*") {
				dir = ""
			}
		}
	}
	st = st.clone()
	kernel := w.sources.isKernel(archive)
	if isSource(archive) && !kernel {
		if b, ok := st.boxes[dir]; ok {
			b.mixed = true
			st.boxes[dir] = b
		}
		return st
	}
	n := note{line, "what is unpacked there may take its place"}
	if dir == "" || st.top(dir) != "" {
		for top := range st.trees {
			if dir == "" || within(top, dir) {
				st.lose(top, n)
			}
		}
		return st
	}
	for top := range st.trees {
		if path.Dir(top) == dir {
			st.lose(top, n)
		}
	}
	if strings.Contains(options, "strip-components") || kernel && w.sources.stem != "" {
		to := dir
		if !strings.Contains(options, "strip-components") {
			to = path.Join(dir, w.sources.stem)
		}
		if st.top(to) == "" {
			if kernel {
				st.trees[to] = tree{sure: true}
				delete(st.made, to)
			} else {
				st.odd[to] = note{line, "what is unpacked there is not known"}
			}
		}
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
			st.odd[to] = note{line, "git puts a tree there without what is not committed"}
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
