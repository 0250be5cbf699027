// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ovzpatch/internal/ctext"
)

// definition is one #define of a word.
type definition struct {
	call   bool // it takes arguments
	params []string
	more   string // the parameter that takes all further arguments, "" for none
	body   []token
}

// define reads a #define, as definitions spells it. A variadic parameter may have a name: "args...".
func define(d string) (name string, is definition, ok bool) {
	rest, ok := strings.CutPrefix(d, "define ")
	if name = definedWord(rest); !ok || name == "" {
		return "", is, false
	}
	rest = rest[len(name):]
	if list, isCall := strings.CutPrefix(rest, "("); isCall {
		list, rest, _ = strings.Cut(list, ")")
		is.call = true
		for p := range strings.SplitSeq(list, ",") {
			p, all := strings.CutSuffix(strings.TrimSpace(p), "...")
			if p = strings.TrimSpace(p); all && p == "" {
				p = "__VA_ARGS__"
			}
			if all {
				is.more = p
			}
			if p != "" {
				is.params = append(is.params, p)
			}
		}
	}
	is.body = tokens(rest)
	return name, is, true
}

// place is where a header has a #define.
type place struct {
	header string
	at     int
}

// defined returns where the headers define words for the preprocessor.
func (n *Names) defined() map[string][]place {
	n.index.Do(func() {
		n.places = map[string][]place{}
		for _, header := range n.order {
			data := n.headers[header]
			for from := 0; ; {
				i := bytes.Index(data[from:], []byte("define"))
				if i < 0 {
					break
				}
				at := from + i
				from = at + len("define")
				line := data[bytes.LastIndexByte(data[:at], '\n')+1 : at]
				if mark := bytes.TrimLeft(line, " \t"); len(mark) == 0 || mark[0] != '#' || len(bytes.TrimLeft(mark, "# \t")) > 0 {
					continue
				}
				word := bytes.TrimLeft(data[from:], " \t")
				if end := bytes.IndexFunc(word, notInName); end > 0 && end < 100 && ctext.NameStart(word[0]) {
					n.places[string(word[:end])] = append(n.places[string(word[:end])], place{header, at})
				}
			}
		}
	})
	return n.places
}

// definitions are what the headers define a word as.
func (n *Names) definitions(word string) []definition {
	places := n.defined()[word]
	if len(places) == 0 {
		return nil
	}
	key := "define " + word
	if was, known := n.found.Load(key); known {
		return was.([]definition)
	}
	var all []definition
	for _, p := range places {
		start, end := logicalLine(n.headers[p.header], p.at)
		for _, d := range definitions(string(n.headers[p.header][start:end])) {
			if name, is, ok := define(d); ok && name == word {
				all = append(all, is)
			}
		}
	}
	n.found.Store(key, all)
	return all
}

// maxExpanded bounds how many tokens come of the macros of a function.
const maxExpanded = 300000

// expander does what the preprocessor does with macros, of the file's own and of the headers, to find the names that
// they put together. Of a word that is defined in several places all count.
type expander struct {
	names  *Names
	own    map[string][]definition
	wanted func(string) bool
	left   int
	found  string // a wanted name, and by what it was put together
	by     string
}

// expand returns what comes of tokens. within are the macros of which they came.
func (x *expander) expand(t []token, within []string) []token {
	var out []token
	for i := 0; i < len(t) && x.left > 0; i++ {
		x.left--
		made, end := x.replaced(t, i, within)
		if end < 0 {
			out = append(out, t[i])
			continue
		}
		out = append(out, made...)
		i = end
		// What is made may be the name of a macro, and its arguments may come behind it.
		if n := len(out); n > 0 && i+1 < len(t) && t[i+1].text == "(" && len(x.defined(out[n-1].text, within)) > 0 && out[n-1].text != t[i].text {
			rest := append([]token{out[n-1]}, t[i+1:]...)
			return append(out[:n-1], x.expand(rest, append(slices.Clip(within), t[i].text))...)
		}
	}
	return out
}

// defined are the definitions of a word that is not one of those it came of.
func (x *expander) defined(word string, within []string) []definition {
	if !ctext.NameStart(word[0]) || slices.Contains(within, word) || len(within) > 60 {
		return nil
	}
	return slices.Concat(x.own[word], x.names.definitions(word))
}

// replaced returns what comes of t[i], with its arguments, and the last token that it takes the place of; end is -1
// where it is no macro.
func (x *expander) replaced(t []token, i int, within []string) (made []token, end int) {
	end = -1
	inner := append(slices.Clip(within), t[i].text)
	for _, d := range x.defined(t[i].text, within) {
		var args [][]token
		last := i
		if d.call {
			if i+1 >= len(t) || t[i+1].text != "(" {
				continue
			}
			last = min(closing(t, i+1), len(t)-1)
			args = split(t[i+2:max(last, i+2)], ",")
		}
		if len(made) > 0 {
			made = append(made, token{text: ";", line: t[i].line})
		}
		made = append(made, x.expand(x.join(x.fill(d, args, within), t[i]), inner)...)
		end = max(end, last)
	}
	return made, end
}

// fill puts the arguments into a macro's body. Beside ## they stand as they were given.
func (x *expander) fill(d definition, args [][]token, within []string) []token {
	mark := func(i int) bool { return i >= 0 && i < len(d.body) && d.body[i].text == "#" }
	var out []token
	for i, tok := range d.body {
		if x.left--; x.left < 0 {
			break
		}
		at := slices.Index(d.params, tok.text)
		var arg []token
		switch {
		case at < 0:
			out = append(out, tok)
			continue
		case tok.text == d.more && at < len(args):
			for k, a := range args[at:] {
				if k > 0 {
					arg = append(arg, token{text: ","})
				}
				arg = append(arg, a...)
			}
		case at < len(args):
			arg = args[at]
		}
		if !mark(i-1) && !mark(i+1) {
			arg = x.expand(arg, within)
		}
		out = append(out, arg...)
	}
	return out
}

// join puts together what ## stands between.
func (x *expander) join(t []token, by token) []token {
	var out []token
	for i := 0; i < len(t); i++ {
		if n := len(out); n > 0 && i+2 < len(t) && t[i].text == "#" && t[i+1].text == "#" {
			i += 2
			out[n-1].text += t[i].text
			if x.wanted(out[n-1].text) && x.found == "" {
				x.found, x.by = out[n-1].text, by.text
			}
			continue
		}
		tok := t[i]
		tok.line = by.line
		out = append(out, tok)
	}
	return out
}

// words are those of some tokens, and of all macros that come of them. chained says that what one makes may be the
// name of another: arguments stand behind its own.
func (x *expander) words(t []token) (all map[string]bool, chained bool) {
	all = map[string]bool{}
	var next []string
	add := func(t []token, without []string) {
		for i, tok := range t {
			if i+1 < len(t) && t[i+1].text == "(" && !chained && len(x.defined(tok.text, nil)) > 0 {
				end := closing(t, i+1)
				chained = end+1 < len(t) && t[end+1].text == "("
			}
			if !all[tok.text] && !slices.Contains(without, tok.text) {
				all[tok.text] = true
				next = append(next, tok.text)
			}
		}
	}
	for add(t, nil); len(next) > 0; next = next[1:] {
		for _, d := range x.defined(next[0], nil) {
			add(d.body, d.params)
		}
	}
	return all, chained
}

// composed reports whether a name can be put together of two words or more.
func composed(name string, words map[string]bool) bool {
	upTo := make([]bool, len(name)+1)
	upTo[0] = true
	for end := 1; end <= len(name); end++ {
		for start := range end {
			if upTo[start] && end-start < len(name) && words[name[start:end]] {
				upTo[end] = true
				break
			}
		}
	}
	return upTo[len(name)]
}

// pasted doubts a function, or what stands outside of functions, where macros make the name of one of leads, or
// umount_begin: DO(umount) for do_umount.
func (n *Names) pasted(g *Gate, f *cfile, leads map[string]bool, cost *budget) {
	if !n.known() {
		return
	}
	own := map[string][]definition{}
	for _, d := range f.defines {
		if name, is, ok := define(d); ok {
			own[name] = append(own[name], is)
		}
	}
	look := func(who string, t []token, line int) {
		if !cost.spend(evalSteps*len(t), line) {
			return
		}
		x := &expander{names: n, own: own, left: maxExpanded, wanted: func(w string) bool { return w == "umount_begin" || leads[w] }}
		words, chained := x.words(t)
		cost.spend(evalSteps*(len(words)+len(leads)), line)
		if !chained && !composed("umount_begin", words) && !slices.ContainsFunc(slices.Collect(maps.Keys(leads)), func(name string) bool { return composed(name, words) }) {
			return
		}
		x.expand(t, nil)
		cost.spend(evalSteps*(maxExpanded-x.left), line)
		switch {
		case x.found != "":
			g.doubt(fmt.Sprintf("there is more than one way to umount_begin: %s has a macro put its name together, and it is not known with which flags: %s makes %s", who, x.by, x.found), []int{line})
		case x.left <= 0:
			g.doubt(fmt.Sprintf("%s has more come of macros than is followed, which may lead to umount_begin", who), []int{line})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.functions)) {
		look(name+"()", f.functions[name].tokens, f.functions[name].line)
	}
	look("what stands outside of functions", f.top, 0)
}

// logicalLine is where the line that data[at] is in begins and ends, with those that backslashes join to it.
func logicalLine(data []byte, at int) (start, end int) {
	joined := func(newline int) bool {
		return bytes.HasSuffix(bytes.TrimRight(data[:newline], " \t\r"), []byte(`\`))
	}
	for start = at; ; start-- {
		if start = bytes.LastIndexByte(data[:start], '\n') + 1; start == 0 || !joined(start-1) {
			break
		}
	}
	for end = at; ; end++ {
		i := bytes.IndexByte(data[end:], '\n')
		if i < 0 {
			return start, len(data)
		}
		if end += i; !joined(end) {
			return start, end
		}
	}
}
