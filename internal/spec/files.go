// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"maps"
	"path"
	"strings"
)

func (w *walker) mkdir(args []word, st *state) *state {
	_, _, rest := flags(args, "m")
	c := st.clone()
	for _, a := range rest {
		if name := st.at(a.text); name != "" && !a.wild && c.top(name) == "" {
			for ; len(name) > len(buildRoot) && !st.exists(name); name = path.Dir(name) {
				c.made[name] = true
			}
		}
	}
	return c
}

// into is where a file gets to that is moved or copied to a place.
func (st *state) into(from, to word) string {
	name := st.at(to.text)
	if name == "" || to.wild {
		return ""
	}
	base := path.Base(from.text)
	if strings.HasSuffix(to.text, "/") || st.exists(name) || st.top(name) == name {
		if base == "." || strings.HasSuffix(from.text, "/.") || strings.HasSuffix(from.text, "/*") || from.text == "*" {
			return name
		}
		return path.Join(name, base)
	}
	return name
}

func (w *walker) move(args []word, st *state, line int) *state {
	_, _, rest := flags(args, "tS")
	if len(rest) < 2 {
		return st
	}
	to := rest[len(rest)-1]
	for _, from := range rest[:len(rest)-1] {
		source := st.named(from.text)
		if from.wild {
			st = st.clone()
			w.maybe(st, from, note{line, "it may be moved there"})
			st.overwritten(st.into(from, to), note{line, "another file may be put in its place there"})
			continue
		}
		if _, isLink := st.links[source]; !isLink {
			st = st.enter(source, w.sources.stem)
		}
		st = st.clone()
		target := st.into(from, to)
		st.overwritten(source, note{line, "it is moved away there"})
		if target != "" {
			st.overwritten(target, note{line, "another file is put in its place there"})
		}
		st.rename(source, target)
	}
	return st
}

// rename moves a directory with all that is known below it. The state is the caller's own.
func (st *state) rename(from, to string) {
	if from == "" {
		return
	}
	renamed := func(name string) string {
		if to == "" {
			return ""
		}
		return to + strings.TrimPrefix(name, from)
	}
	if to != "" {
		st.drop(to)
	}
	renameKeys(st.trees, from, renamed)
	renameKeys(st.boxes, from, renamed)
	renameKeys(st.made, from, renamed)
	renameKeys(st.odd, from, renamed)
	renameKeys(st.links, from, renamed)
}

func renameKeys[V any](m map[string]V, from string, renamed func(string) string) {
	moved := map[string]V{}
	for name, v := range m {
		if within(from, name) {
			delete(m, name)
			if now := renamed(name); now != "" {
				moved[now] = v
			}
		}
	}
	maps.Copy(m, moved)
}

// drop forgets a directory and all below it.
func (st *state) drop(name string) {
	renameKeys(st.trees, name, func(string) string { return "" })
	renameKeys(st.boxes, name, func(string) string { return "" })
	renameKeys(st.made, name, func(string) string { return "" })
	renameKeys(st.odd, name, func(string) string { return "" })
	renameKeys(st.links, name, func(string) string { return "" })
}

// maybe notes that whichever directory a pattern finds may be gone. The state is the
// caller's own.
func (w *walker) maybe(st *state, x word, n note) {
	name := st.at(x.text)
	for top, t := range st.trees {
		above := path.Dir(name)
		if t.ours != no && (name == "" && st.dir == "" || name != "" && above != top && within(above, top) && may(name, firstBelow(above, top))) {
			st.lose(top, n)
		}
	}
}

// firstBelow is the directory in dir that leads to name.
func firstBelow(dir, name string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")
	first, _, _ := strings.Cut(rest, "/")
	return path.Join(dir, first)
}

func (w *walker) remove(args []word, st *state, line int) *state {
	options, _, rest := flags(args, "")
	deep := strings.ContainsAny(options, "rR") || strings.Contains(options, "recursive")
	st = st.clone()
	for _, x := range rest {
		name := st.named(x.text)
		_, isLink := st.links[name]
		switch {
		case isLink && !x.wild:
			// What it leads to stays.
			delete(st.links, name)
		case x.wild && deep:
			w.maybe(st, x, note{line, "it may be removed there"})
		case x.wild || name == "":
		case deep:
			for top, t := range st.trees {
				if within(name, top) && t.ours != no {
					w.removed.first(line, "the tree that it is in is removed there")
				}
			}
			st.overwritten(name, note{line, "its file is removed there"})
			st.drop(name)
		default:
			st.overwritten(name, note{line, "its file is removed there"})
		}
	}
	return st
}

func (w *walker) copies(name string, args []word, st *state, line int) *state {
	options, values, rest := flags(args, "tSmog")
	deep := strings.ContainsAny(options, "rRa") || strings.Contains(options, "recursive") || strings.Contains(options, "archive")
	if t, ok := values['t']; ok {
		rest = append(rest, word{text: t + "/"})
	}
	if len(rest) < 2 {
		return st
	}
	to := rest[len(rest)-1]
	for _, from := range rest[:len(rest)-1] {
		source := st.at(strings.TrimSuffix(strings.TrimSuffix(from.text, "/*"), "/."))
		if from.text == "*" {
			source = st.dir
		}
		if name == "rsync" && strings.HasSuffix(from.text, "/") {
			from.text += "."
		}
		if deep && (!from.wild || from.text == "*" || strings.HasSuffix(from.text, "/*")) {
			st = st.enter(source, w.sources.stem)
		}
		st = st.clone()
		target := st.into(from, to)
		if !deep || target == "" {
			if target != "" {
				st.overwritten(target, note{line, "another file is copied over its own there"})
			}
			continue
		}
		if link, isLink := st.links[st.named(from.text)]; isLink && !strings.ContainsAny(options, "LH") && !strings.ContainsAny(from.text[len(from.text)-1:], "/.*") {
			st.links[target] = link // it is copied as a link
			continue
		}
		t, isTree := st.trees[source]
		switch top := st.top(target); {
		case isTree && target == source:
		case isTree && top == target && t.ours != yes:
			st.lose(target, note{line, "another tree is copied over its own there"})
		case isTree && top == "":
			t.sure = true
			st.trees[target] = t
			delete(st.made, target)
		case top != "":
			st.overwritten(target, note{line, "others are copied over its files there"})
		case st.odd[source].why != "":
			st.odd[target] = st.odd[source]
		}
	}
	return st
}
