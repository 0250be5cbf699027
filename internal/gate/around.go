// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// around doubts what the ways from the umount system call do not show: other ways to
// umount_begin, and words that the preprocessor makes into something else.
func (c *comparison) around() {
	c.redefined()
	if len(c.drops) == 0 {
		return
	}
	for _, name := range c.after.besides(c.drops) {
		fn := c.after.functions[name]
		c.gate.doubt(fmt.Sprintf("there is more than one way to umount_begin: %s() comes to it without the hook, and it is not known with which flags", name), []int{fn.line})
	}
}

// besides are the functions that come to umount_begin by a way that neither goes through one
// of the functions in hooked nor begins in one.
func (f *cfile) besides(hooked map[string]bool) []string {
	leads := f.leading(hooked)
	below := map[string]bool{}
	for name := range hooked {
		f.reached(name, leads, below)
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(leads)), func(name string) bool { return below[name] })
}

// leading are the functions that come to umount_begin, but for those that do so only through
// one of without. A function that is only named may be called by its address.
func (f *cfile) leading(without map[string]bool) map[string]bool {
	all := map[string]bool{}
	for more := true; more; {
		more = false
		for name, fn := range f.functions {
			if all[name] || without[name] {
				continue
			}
			if slices.ContainsFunc(fn.tokens, func(t token) bool { return t.text == "umount_begin" || all[t.text] && t.text != name }) {
				all[name], more = true, true
			}
		}
	}
	return all
}

// reached adds to all those of among that a function comes to.
func (f *cfile) reached(from string, among, all map[string]bool) {
	for _, t := range f.functions[from].tokens {
		if among[t.text] && !all[t.text] {
			all[t.text] = true
			f.reached(t.text, among, all)
		}
	}
}

// redefined doubts a word on the way that the file defines for the preprocessor or takes back:
// it was read as what it means elsewhere.
func (c *comparison) redefined() {
	onWay := map[string]bool{}
	for name := range c.entered {
		for _, t := range slices.Concat(c.after.functions[name].head, c.after.functions[name].tokens) {
			onWay[t.text] = true
		}
	}
	for _, d := range c.after.defines {
		directive, rest, _ := strings.Cut(d, " ")
		word := rest[:max(strings.IndexFunc(rest+" ", func(r rune) bool { return r > 127 || !isNameByte(byte(r)) }), 0)]
		if directive == "pragma" || word == "pr_fmt" || !onWay[word] && c.used[word] == 0 {
			continue
		}
		c.gate.doubt("the file itself says what "+word+" is for the preprocessor, and the way of a forced umount depends on it: #"+short(d), nil)
	}
}
