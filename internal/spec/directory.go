// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"strings"
)

// directory follows the commands that change it. One that fails ends the script, or is let
// pass by a list; where it surely is there, it does not fail.
func (w *walker) directory(name string, words []word, st *state, line int) ends {
	for len(words) > 0 && strings.HasPrefix(words[0].text, "-") && len(words[0].text) > 1 && !words[0].wild {
		words = words[1:]
	}
	if name == "dirs" {
		c := st.clone()
		c.stack = nil
		return ends{ok: c}
	}
	next := st
	aside := st.aside
	to, sure, why := "", false, "the directory there is known only where it is run"
	switch {
	case name == "popd" && len(words) == 0 && len(st.stack) > 0:
		n := len(st.stack) - 1
		to, sure = st.stack[n], true
		next = st.clone()
		next.stack = next.stack[:n]
	case name == "popd":
		next = st.clone()
		next.stack = nil
	case len(words) == 0: // cd, home; pushd, which changes places
		next = st.clone()
		next.stack = nil
	case words[0].text == "-" && name == "cd":
		to, sure = st.old, true
	case strings.HasPrefix(words[0].text, "+") || words[0].wild:
	default:
		to = st.at(words[0].text)
		switch link, _ := st.firstLink(resolve(st.dir, words[0].text)); {
		case st.aside && (strings.HasPrefix(words[0].text, "..") || strings.Contains(words[0].text, "/..")):
			to, why = "", "where .. leads from a directory that was entered by a link is not followed"
		case to == "" && link != "":
			why = "where the link " + path.Base(link) + " leads is not known"
		}
		aside = st.beside(words[0].text) || st.aside && !strings.HasPrefix(words[0].text, "/")
		next = st.enter(to, w.sources.stem)
		sure = next.exists(to)
		if name == "pushd" {
			next = next.clone()
			next.stack = append(next.stack, st.dir)
		}
	}
	next = next.clone()
	next.old, next.dir, next.aside = st.dir, to, aside
	if to == "" {
		if next.lost = (note{line, why}); st.dir == "" {
			next.lost = st.lost
		}
	}
	if sure {
		return ends{ok: next}
	}
	return ends{ok: next, bad: st}
}

// setup follows %setup and %autosetup: with -c they make a directory and stay in it,
// without it the tarball's own directory is the tree.
func (w *walker) setup(text string, st *state, line int) *state {
	name, ok := option(text, 'n')
	if name = w.macros(name); !ok {
		name = w.macros("%{name}-%{version}")
	}
	to := path.Join(buildRoot, name)
	if hasOption(text, 'D') {
		to = st.real(to)
	} else {
		// What was there is removed first.
		st = st.clone()
		delete(st.links, to)
	}
	onto := hasOption(text, 'D') && hasOption(text, 'T')
	if len(st.trees) > 0 && !(onto && (st.top(to) == to || st.boxes[to].named)) {
		// Another tree, or this one unpacked again, over what was done to it.
		w.again.first(line, "%setup unpacks again, or another tree, after the kernel's was there, and %build may begin in that one")
	}
	c := st.clone()
	w.subdir = to
	c.dir, c.old, c.lost, c.aside = to, "", note{}, false
	if to == "" {
		c.lost = note{line, "%setup goes through a link there, and the text does not show where it leads"}
		return c
	}
	if c.top(to) != "" {
		return c
	}
	b, known := c.boxes[to]
	b.mixed = b.mixed || hasOption(text, 'a') && !(hasOption(text, 'T') && !known)
	if hasOption(text, 'c') || known {
		c.boxes[to] = b
		return c
	}
	c.trees[to] = tree{sure: true}
	return c
}
