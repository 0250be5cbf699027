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

// linking is what an ln says.
type linking struct {
	soft, force, file, never, relative bool // -s, -f, -n, -T, -r
	to                                 word
	targets                            []word
}

// readLinking reads the arguments of ln; there are no targets where it links nothing.
func readLinking(args []word) linking {
	has := func(letter, long string) bool {
		return slices.ContainsFunc(args, func(a word) bool {
			short, isShort := strings.CutPrefix(a.text, "-")
			return a.text == long || isShort && !strings.HasPrefix(short, "-") && strings.Contains(short, letter)
		})
	}
	l := linking{
		soft: has("s", "--symbolic"), force: has("f", "--force"), relative: has("r", "--relative"),
		file: has("n", "--no-dereference"), never: has("T", "--no-target-directory"),
	}
	options, values, rest := flags(args, "tS")
	into, given := values['t']
	for o := range strings.FieldsSeq(options) {
		if d, ok := strings.CutPrefix(o, "--target-directory="); ok {
			into, given = d, true
		}
	}
	switch {
	case given:
		l.to, l.targets = word{text: into + "/"}, rest
	case len(rest) == 0:
	case len(rest) == 1:
		l.to, l.targets = word{text: "./"}, rest
	default:
		l.to, l.targets = rest[len(rest)-1], rest[:len(rest)-1]
	}
	return l
}

// link follows ln.
func (w *walker) link(args []word, st *state, line int) ends {
	l := readLinking(args)
	before := st
	st = st.clone()
	sure := true
	for _, target := range l.targets {
		var made bool
		if st, made = w.linkOne(l, target, st, line); !made {
			sure = false // ln fails, which ends the script
		}
	}
	if sure {
		return ends{ok: st, bad: before}
	}
	return ends{bad: before}
}

// linkOne follows one link of an ln; false is for one that fails.
func (w *walker) linkOne(l linking, target word, st *state, line int) (*state, bool) {
	name := st.named(l.to.text)
	_, isLink := st.links[name]
	dir := st.real(name)
	if isLink {
		st = st.enter(dir, w.sources.stem).clone()
	}
	if isLink && !st.exists(dir) && !l.file && !l.never {
		st.links[name] = "" // whether it leads to a directory, into which this goes, is not known
		return st, true
	}
	inside := !l.never && (strings.HasSuffix(l.to.text, "/") || st.exists(dir) && !(l.file && isLink))
	if inside && dir != "" {
		name = path.Join(dir, path.Base(target.text))
		_, isLink = st.links[name]
	}
	if name == "" || l.to.wild {
		return st, true // a link may be anywhere then, as any file
	}
	there := isLink || st.exists(name)
	if there && !isLink || there && !l.force {
		return st, false
	}
	st.overwritten(name, note{line, "a link is put in its place there"})
	if !l.soft {
		return st, true
	}
	text := target.text
	switch {
	case target.wild:
		text = ""
	case l.relative:
		text = st.at(text)
	}
	st.links[name] = text
	return st, true
}
