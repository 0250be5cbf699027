// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"maps"
	"slices"
	"strings"
)

func conditionalText(under string) string {
	return "it is compiled only under a condition (#" + under + "), and the source does not show whether it holds"
}

// compiles reports whether what the patch puts under a condition of the preprocessor is known to be compiled: under
// OpenVZ's option, in a source that has it.
func (f *cfile) compiles(names *Names, under string) bool {
	option, ok := strings.CutPrefix(under, "ifdef ")
	return ok && f.has(names, option)
}

// has reports whether an option is known to be set: OpenVZ's, in a source that has it.
func (f *cfile) has(names *Names, option string) bool {
	return option == "CONFIG_VE" && (f.asks[option] || names.known() && names.has(option))
}

// conditions doubts the conditions of the preprocessor that the patch adds to functions on the way, or takes away:
// around a part of a statement, or around what was there before.
func (c *comparison) conditions() {
	for _, name := range slices.Sorted(maps.Keys(c.entered)) {
		fn, was := c.after.functions[name], c.base.functions[name]
		if alike(fn, was) {
			continue
		}
		is, had := fn.conditional(), was.conditional()
		for _, under := range slices.Sorted(maps.Keys(is)) {
			if is[under].text != had[under].text && !c.base.compiles(c.names, under) && (was == nil || under != was.under) {
				c.gate.doubt(conditionalText(under), []int{is[under].line})
			}
		}
		for _, under := range slices.Sorted(maps.Keys(had)) {
			if is[under].text == "" {
				c.gate.doubt("the patch takes a condition away under which a part of "+name+"() was compiled (#"+under+")", []int{fn.line})
			}
		}
	}
}

// conditional is what a function has under each condition of the preprocessor, with the line of its first word.
func (f *function) conditional() map[string]token {
	all := map[string]token{}
	if f == nil {
		return all
	}
	parts := map[string][]token{}
	for _, t := range slices.Concat(f.head, f.tokens) {
		if t.under != "" {
			parts[t.under] = append(parts[t.under], t)
		}
	}
	for under, t := range parts {
		all[under] = token{text: compact(t), line: t[0].line}
	}
	return all
}

// asked are the options that the conditions of a file ask for by #ifdef.
func asked(t []token) map[string]bool {
	all := map[string]bool{}
	last := ""
	for _, t := range t {
		if t.under == last {
			continue
		}
		last = t.under
		for under := range strings.SplitSeq(t.under, "; ") {
			if option, ok := strings.CutPrefix(under, "ifdef "); ok {
				all[option] = true
			}
		}
	}
	return all
}
