// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ovzpatch/internal/ctext"
)

// replaced are the words of a declaration by which something else may run than the body that stands here.
var replaced = []string{"__weak", "weak", "__weak__", "alias", "__alias__", "__alias", "ifunc", "__ifunc__", "weakref", "__weakref__"}

// harmless are the words of an attribute that change nothing of what a function or a variable does.
var harmless = []string{
	"__attribute__", "__attribute", "maybe_unused", "__maybe_unused__", "unused", "__unused__", "__unused", "__maybe_unused", "used", "__used__", "__used", "cold", "__cold__", "__cold",
	"hot", "__hot__", "__hot", "always_inline", "__always_inline__", "__always_inline", "noinline", "__noinline__", "__inline", "__inline__",
	"gnu_inline", "__gnu_inline__", "warn_unused_result", "__warn_unused_result__", "__must_check", "__user", "__kernel", "__force",
}

// strange is a word of a declaration that does something else than to say a type, "" where there is none.
func strange(t []token) string {
	end := 0 // of the attribute's brackets
	for i, tok := range t {
		if strings.HasPrefix(tok.text, "__attribute") && i+1 < len(t) {
			end = closing(t, i+1)
		}
		if (i < end && ctext.NameStart(tok.text[0]) || strings.HasPrefix(tok.text, "__")) && !slices.Contains(harmless, tok.text) {
			return tok.text
		}
	}
	return ""
}

// declared doubts functions on the way whose declarations say that something else may run, and those of the patch whose
// declarations are not understood.
func (c *comparison) declared() {
	for _, name := range slices.Sorted(maps.Keys(c.entered)) {
		fn := c.after.functions[name]
		for _, t := range c.after.declarations(fn) {
			if i := slices.IndexFunc(t, func(t token) bool { return slices.Contains(replaced, t.text) }); i >= 0 {
				c.gate.doubt(fmt.Sprintf("%s() is declared %s, so that another function may run in its place", name, t[i].text), []int{t[i].line})
				continue
			}
			if word := strange(t); word != "" && c.base.functions[name] == nil {
				c.gate.doubt(fmt.Sprintf("%s() is declared %s, and what that makes of it is not followed", name, word), []int{t[0].line})
			}
		}
	}
}

// declarations are what the file says of a function, without its parameters: its head, and its prototypes.
func (f *cfile) declarations(fn *function) [][]token {
	all := [][]token{withoutParams(fn.head, fn.name)}
	for i, t := range f.top {
		if t.text == fn.name && i+1 < len(f.top) && f.top[i+1].text == "(" {
			start, end := segment(f.top, i)
			all = append(all, withoutParams(f.top[start:end], fn.name))
		}
	}
	return all
}

func withoutParams(t []token, name string) []token {
	for i := 0; i+1 < len(t); i++ {
		if t[i].text == name && t[i+1].text == "(" {
			return slices.Concat(t[:i], t[min(closing(t, i+1)+1, len(t)):])
		}
	}
	return t
}
