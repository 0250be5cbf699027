// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"slices"
	"strings"
)

// maxLinks bounds how many links are followed for one path.
const maxLinks = 20

// at is the path that a word leads to, through links that the spec made; "" where it is not known.
func (st *state) at(to string) string { return st.real(resolve(st.dir, to)) }

// named is the path that a word names: a link itself where it is one.
func (st *state) named(to string) string {
	name := resolve(st.dir, to)
	if name == "" || len(name) <= len(buildRoot) {
		return name
	}
	dir := st.real(path.Dir(name))
	if dir == "" {
		return ""
	}
	return path.Join(dir, path.Base(name))
}

// real follows the links in a path. It is "" for one that leads nobody knows where.
func (st *state) real(name string) string {
	for range maxLinks {
		link, rest := st.firstLink(name)
		if link == "" {
			return name
		}
		to := resolve(path.Dir(link), st.links[link])
		if st.links[link] == "" || to == "" {
			return ""
		}
		name = path.Join(to, rest)
	}
	return ""
}

// firstLink is the first link in a path, "" for none, and what comes behind it.
func (st *state) firstLink(name string) (link, rest string) {
	for at := name; len(at) > len(buildRoot); at = path.Dir(at) {
		if _, ok := st.links[at]; ok {
			link, rest = at, strings.TrimPrefix(name, at)
		}
	}
	return link, rest
}

// beside reports whether a path goes through a link to somewhere with another parent: the shell
// takes .. from there for the link's, and programs take it for the other.
func (st *state) beside(to string) bool {
	name := resolve(st.dir, to)
	link, rest := st.firstLink(name)
	return link != "" && path.Dir(link)+rest != path.Dir(st.real(link))+rest
}

// link follows ln.
func (w *walker) link(args []word, st *state, line int) ends {
	has := func(letter, long string) bool {
		return slices.ContainsFunc(args, func(a word) bool {
			short, isShort := strings.CutPrefix(a.text, "-")
			return a.text == long || isShort && !strings.HasPrefix(short, "-") && strings.Contains(short, letter)
		})
	}
	soft, force := has("s", "--symbolic"), has("f", "--force")
	file, never := has("n", "--no-dereference"), has("T", "--no-target-directory")
	options, values, rest := flags(args, "tS")
	into, given := values['t']
	for o := range strings.FieldsSeq(options) {
		if d, ok := strings.CutPrefix(o, "--target-directory="); ok {
			into, given = d, true
		}
	}
	var to word
	switch {
	case given:
		to = word{text: into + "/"}
	case len(rest) == 0:
		return ends{ok: st, bad: st}
	case len(rest) == 1:
		to = word{text: "./"}
	default:
		to, rest = rest[len(rest)-1], rest[:len(rest)-1]
	}
	before := st
	st = st.clone()
	sure := true
	for _, target := range rest {
		name := st.named(to.text)
		_, isLink := st.links[name]
		dir := st.real(name)
		if isLink {
			st = st.enter(dir, w.sources.stem).clone()
		}
		if isLink && !st.exists(dir) && !file && !never {
			st.links[name] = "" // whether it leads to a directory, into which this goes, is not known
			continue
		}
		inside := !never && (strings.HasSuffix(to.text, "/") || st.exists(dir) && !(file && isLink))
		if inside && dir != "" {
			name = path.Join(dir, path.Base(target.text))
			_, isLink = st.links[name]
		}
		if name == "" || to.wild {
			continue // a link may be anywhere then, as any file
		}
		there := isLink || st.exists(name)
		if there && !isLink || there && !force {
			sure = false // ln fails, which ends the script
			continue
		}
		st.overwritten(name, note{line, "a link is put in its place there"})
		if !soft {
			continue
		}
		text := target.text
		switch {
		case target.wild:
			text = ""
		case has("r", "--relative"):
			text = st.at(text)
		}
		st.links[name] = text
	}
	if sure {
		return ends{ok: st, bad: before}
	}
	return ends{bad: before}
}
