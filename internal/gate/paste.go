// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// pasted doubts a function that gives a header's macro a word of which that makes the name of one of leads, or
// umount_begin: DO(umount) for do_umount.
func (n *Names) pasted(g *Gate, f *cfile, leads map[string]bool) {
	if !n.known() {
		return
	}
	pasting := n.pasting()
	for _, name := range slices.Sorted(maps.Keys(f.functions)) {
		t := f.functions[name].tokens
		for i := 0; i+1 < len(t); i++ {
			m := pasting[t[i].text]
			if m == nil || t[i+1].text != "(" || f.functions[t[i].text] != nil || f.macros[t[i].text] != nil {
				continue
			}
			given := map[string]bool{}
			for _, t := range t[i+2 : min(closing(t, i+1), len(t))] {
				given[t.text] = true
			}
			if m.builds(leads, given) {
				g.doubt(fmt.Sprintf("there is more than one way to umount_begin: %s() has a macro put its name together, and it is not known with which flags: #%s", name, short(m.text)), []int{t[i].line})
			}
		}
	}
}

// pasting are the macros of the headers that put names together.
func (n *Names) pasting() map[string]*macro {
	var all []string
	for _, name := range n.order {
		data := n.headers[name]
		for from := 0; ; {
			at := bytes.Index(data[from:], []byte("##"))
			if at < 0 {
				break
			}
			start, end := logicalLine(data, from+at)
			if d := definitions(string(data[start:end])); len(d) == 1 {
				all = append(all, d[0])
			}
			from = end
		}
	}
	return macros(all)
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
