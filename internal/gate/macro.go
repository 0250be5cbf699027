// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/ctext"
)

// macro is what a file's #define makes of a word.
type macro struct {
	text   string
	tokens []token
	pastes [][]piece
}

// piece is a part of a name that a macro puts together by ##: a word, or whatever it is given.
type piece struct {
	word  string
	given bool
}

// definedWord is the word that the rest of a #define is about.
func definedWord(rest string) string {
	return rest[:max(strings.IndexFunc(rest+" ", notInName), 0)]
}

func notInName(r rune) bool { return r > 127 || !ctext.NameByte(byte(r)) }

// macros are those of a file's #define lines. What one word means in several places is one.
func macros(defines []string) map[string]*macro {
	all := map[string]*macro{}
	for _, d := range defines {
		rest, ok := strings.CutPrefix(d, "define ")
		name := definedWord(rest)
		if !ok || name == "" {
			continue
		}
		rest = rest[len(name):]
		var params []string
		if strings.HasPrefix(rest, "(") {
			list, body, _ := strings.Cut(rest[1:], ")")
			params, rest = strings.FieldsFunc(list, notInName), body
		}
		m := all[name]
		if m == nil {
			m = &macro{text: d}
			all[name] = m
		}
		t := tokens(rest)
		m.tokens = append(m.tokens, t...)
		m.pastes = append(m.pastes, pasted(t, params)...)
	}
	return all
}

// pasted are the names that a macro puts together.
func pasted(t []token, params []string) [][]piece {
	var all [][]piece
	part := func(i int) piece {
		return piece{t[i].text, slices.Contains(params, t[i].text) || t[i].text == "__VA_ARGS__"}
	}
	more := func(i int) bool { return i+3 < len(t) && t[i+1].text == "#" && t[i+2].text == "#" }
	for i := 0; i < len(t); i++ {
		if !more(i) {
			continue
		}
		p := []piece{part(i)}
		for ; more(i); i += 3 {
			p = append(p, part(i+3))
		}
		all = append(all, p)
	}
	return all
}

// builds reports whether a macro that is used may put together the name of one of some, or
// umount_begin, when it is given words that the file has.
func (m *macro) builds(some, words map[string]bool, cost *budget) bool {
	return slices.ContainsFunc(m.pastes, func(p []piece) bool {
		if fits("umount_begin", p, words, cost) {
			return true
		}
		for name := range some {
			if fits(name, p, words, cost) {
				return true
			}
		}
		return false
	})
}

// fits reports whether a name may come of pieces. Who gives a macro the whole name names it
// anyway.
func fits(name string, p []piece, words map[string]bool, cost *budget) bool {
	switch {
	case len(p) == 0:
		return name == ""
	case len(p) > 4 || len(name) > 100:
		return true // nobody's code; it is not worth to find out
	case !p[0].given:
		rest, ok := strings.CutPrefix(name, p[0].word)
		return ok && fits(rest, p[1:], words, cost)
	}
	for n := 1; n <= len(name); n++ {
		if cost.spend(5, 0) && words[name[:n]] && fits(name[n:], p[1:], words, cost) {
			return true
		}
	}
	return false
}

var asksBegin = regexp.MustCompile(`(?:->|[\w\])]\s*\.)\s*umount_begin\b`)

// begins doubts a header that calls umount_begin: who uses it comes there past the hook.
func (n *Names) begins(g *Gate) {
	if n == nil {
		return
	}
	for _, name := range n.order {
		if hasWord(n.headers[name], "umount_begin") && asksBegin.Match(n.code(name)) {
			g.doubt(fmt.Sprintf("there is more than one way to umount_begin: %s comes to it by itself, and who uses that is not known", name), nil)
		}
	}
}
