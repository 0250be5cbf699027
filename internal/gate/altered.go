// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// altered doubts what the patch makes of functions that were there before, beside the statements on the way from
// umount(2): other declarations, by which callers get something else, and other functions, which are not followed.
func (c *comparison) altered() {
	for _, name := range slices.Sorted(maps.Keys(c.base.functions)) {
		was, is := c.base.functions[name], c.after.functions[name]
		switch {
		case is == nil:
			c.gate.doubt(fmt.Sprintf("the patch takes %s() away, which is not followed", name), nil)
		case !sameHead(was, is):
			c.gate.doubt(fmt.Sprintf("the patch declares %s() otherwise than it was, and what that makes of what it is given and returns is not followed: %s", name, short(spelled(is.head))), []int{is.line})
		case !c.entered[name] && !alike(was, is):
			c.gate.doubt(fmt.Sprintf("the patch also changes %s(), which is not followed", name), []int{changedLine(was, is)})
		case c.entered[name] && !alike(was, is):
			c.retyped(was, is)
		}
	}
}

// sameHead reports whether two functions are declared alike, but for what changes nothing.
func sameHead(a, b *function) bool {
	counts := func(f *function) []string {
		return slices.DeleteFunc(words(f.head), func(w string) bool { return slices.Contains(harmless, w) })
	}
	return slices.Equal(counts(a), counts(b))
}

// changedLine is the first line of a function that is not as it was.
func changedLine(was, is *function) int {
	for i, t := range is.tokens {
		if i >= len(was.tokens) || was.tokens[i].text != t.text || was.tokens[i].under != t.under {
			return t.line
		}
	}
	return is.end
}

// retyped doubts the variables of a function that the patch gives another type: what was a negative error may be
// a positive number in it.
func (c *comparison) retyped(was, is *function) {
	had, has := was.variableTypes(), is.variableTypes()
	for _, name := range slices.Sorted(maps.Keys(has)) {
		now := has[name]
		if before, ok := had[name]; ok && before.text != now.text {
			c.gate.doubt(fmt.Sprintf("the patch gives %s in %s() another type, and what that makes of its values is not followed: %s", name, is.name, now.text), []int{now.line})
		}
	}
}

// variableTypes are the types of a function's variables, pointers included, with the lines they stand on. Of a
// name that is declared more than once all of them count.
func (f *function) variableTypes() map[string]token {
	all := map[string]token{}
	within(f.body, func(s *stmt) {
		if s.word != "" || !isDeclaration(s.tokens) {
			return
		}
		parts := split(s.tokens, ",")
		first := strings.Builder{}
		for i, part := range parts {
			at := slices.IndexFunc(part, func(t token) bool { return slices.Contains([]string{"=", "[", ":"}, t.text) })
			if at < 0 {
				at = len(part)
			}
			if at == 0 {
				continue
			}
			name, kind := part[at-1], spelled(part[:at-1])
			if i == 0 {
				first.WriteString(strings.TrimRight(kind, "* "))
			} else {
				kind = first.String() + " " + kind
			}
			known := all[name.text]
			known.text, known.line = strings.TrimSpace(known.text+" "+kind), name.line
			all[name.text] = known
		}
	})
	return all
}

// spellings are the other ways of C to write brackets and the preprocessor's #. The tokens know none of them.
var spellings = []string{"<:", ":>", "<%", "%>", "%:", "??=", "??/", "??'", "??(", "??)", "??!", "??<", "??>", "??-"}

// respelled is the first of spellings in a source, outside of comments and literals, with its line.
func respelled(src string) (string, int) {
	src = uncommented(src)
	for i, line := 0, 1; i < len(src); {
		n := 1
		switch {
		case src[i] == '\n':
			line++
		case src[i] == '"', src[i] == '\'':
			n = literalLength(src[i:])
		default:
			for _, s := range spellings {
				if strings.HasPrefix(src[i:], s) {
					return s, line
				}
			}
		}
		i += n
	}
	return "", 0
}
