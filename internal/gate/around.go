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
	const more = "there is more than one way to umount_begin: "
	leads := c.after.leading(c.drops, c.reading)
	below := map[string]bool{}
	for name := range c.drops {
		c.after.reached(name, leads, below)
	}
	for _, name := range slices.Sorted(maps.Keys(leads)) {
		fn, macro := c.after.functions[name], c.after.macros[name]
		switch {
		case fn == nil && below[name]:
		case fn == nil:
			c.gate.doubt(fmt.Sprintf(more+"the macro %s comes to it without the hook, and it is not known with which flags: #%s", name, short(macro.text)), nil)
		case !below[name]:
			c.gate.doubt(fmt.Sprintf(more+"%s() comes to it without the hook, and it is not known with which flags", name), []int{fn.line})
		case !c.after.static(fn, c.reading):
			c.gate.doubt(fmt.Sprintf(more+"%s() lies behind the hook and is not static, so that other files may call it", name), []int{fn.line})
		}
	}
	for _, m := range c.after.mentions(leads, c.reading) {
		c.gate.doubt(fmt.Sprintf(more+"who uses this comes to it without the hook: %s", short(m.text)), []int{m.line})
	}
	c.names.begins(c.gate)
	c.names.pasted(c.gate, c.after, leads, c.reading)
	for _, name := range slices.Sorted(maps.Keys(c.after.functions)) {
		for _, t := range c.after.functions[name].tokens {
			if slices.Contains(byName, t.text) {
				c.gate.doubt(fmt.Sprintf(more+"%s() looks for a function by its name (%s), and it is not known for which", name, t.text), []int{t.line})
			}
		}
	}
}

// byName are the functions by which a kernel finds functions by their names, or sets something before them.
var byName = []string{
	"kallsyms_lookup_name", "module_kallsyms_lookup_name", "kallsyms_on_each_symbol", "module_kallsyms_on_each_symbol", "find_symbol", "__symbol_get",
	"register_kprobe", "register_kretprobe", "register_ftrace_function", "klp_enable_patch",
}

// leading are the functions and macros that come to umount_begin, but for those that do so only
// through one of without. A function that is only named may be called by its address, two words that are
// given to a macro may become one name, and a literal may be for who looks the name up, or for the assembler.
func (f *cfile) leading(without map[string]bool, cost *budget) map[string]bool {
	all := map[string]bool{}
	begins := func(name string) bool { return name == "umount_begin" || all[name] }
	leads := func(name string, t []token) bool {
		if slices.ContainsFunc(spelledOut(t), begins) {
			return true
		}
		for i := range t {
			if t[i].text != name && begins(t[i].text) || i+2 < len(t) && t[i+1].text == "," && begins(t[i].text+t[i+2].text) {
				return true
			}
		}
		return false
	}
	words := f.words()
	for _, m := range f.macros {
		for _, t := range m.tokens {
			words[t.text] = true
		}
	}
	const leadSteps = 60 // of each function, every time
	for more := true; more && !cost.over(); {
		more = false
		for name, fn := range f.functions {
			if !all[name] && !without[name] && cost.spend(leadSteps+3*len(fn.tokens), fn.line) && leads(name, fn.tokens) {
				all[name], more = true, true
			}
		}
		for name, m := range f.macros {
			if !all[name] && !without[name] && cost.spend(leadSteps+3*len(m.tokens), 0) && (leads(name, m.tokens) || words[name] && m.builds(all, words, cost)) {
				all[name], more = true, true
			}
		}
	}
	return all
}

// spelledOut are the names that the literals of a function may be for: those that are nothing else, and all words of
// the literals of one with words for the assembler.
func spelledOut(t []token) []string {
	assembles := slices.ContainsFunc(t, func(t token) bool { return slices.Contains([]string{"asm", "__asm__", "__asm"}, t.text) })
	var all []string
	for i := 0; i < len(t); i++ {
		var joined strings.Builder
		for ; i < len(t) && t[i].text[0] == '"'; i++ {
			joined.WriteString(strings.Trim(t[i].text, `"`))
		}
		text := joined.String()
		if assembles {
			all = append(all, strings.FieldsFunc(strings.NewReplacer(`\n`, " ", `\t`, " ").Replace(text), notInName)...)
		} else if text != "" {
			all = append(all, text)
		}
	}
	return all
}

// reached adds to all those of among that a function comes to.
func (f *cfile) reached(from string, among, all map[string]bool) {
	var t []token
	if fn := f.functions[from]; fn != nil {
		t = fn.tokens
	} else if m := f.macros[from]; m != nil {
		t = m.tokens
	}
	for _, t := range t {
		if among[t.text] && !all[t.text] {
			all[t.text] = true
			f.reached(t.text, among, all)
		}
	}
}

// static reports whether no other file can call a function by its name.
func (f *cfile) static(fn *function, cost *budget) bool {
	if has(fn.head, "static") || !cost.spend(len(f.top), fn.line) {
		return true
	}
	for i, t := range f.top {
		if t.text == fn.name {
			if start, end := segment(f.top, i); has(f.top[start:end], "static") {
				return true
			}
		}
	}
	return false
}

// mention is a place outside of functions.
type mention struct {
	text string
	line int
}

// mentions are the places outside of functions that name one of some, by which it may be
// called: not its declaration, and not what makes it known to modules.
func (f *cfile) mentions(leads map[string]bool, cost *budget) []mention {
	var all []mention
	for i := 0; i < len(f.top); i++ {
		t := f.top[i]
		if leads[t.text] {
			start, end := segment(f.top, i)
			cost.spend(3*(end-start), t.line)
		}
		named := leads[t.text] && !cost.over() && !f.onlyDeclares(i)
		if t.text[0] == '"' {
			// An alias, or the assembler's words.
			for _, word := range strings.FieldsFunc(t.text, notInName) {
				named = named || leads[word]
			}
		}
		if named {
			start, end := segment(f.top, i)
			all = append(all, mention{spelled(f.top[start:end]), t.line})
			i = end // the rest of it says the same
		}
	}
	return all
}

// onlyDeclares reports whether f.top[i] stands in its own declaration, or in EXPORT_SYMBOL() and
// the like.
func (f *cfile) onlyDeclares(i int) bool {
	start, end := segment(f.top, i)
	if called := called(f.top[start:end], i-start); called != "" {
		return strings.HasPrefix(called, "EXPORT_") || called == "NOKPROBE_SYMBOL" || called == "ALLOW_ERROR_INJECTION"
	}
	return i > start && i+1 < end && f.top[i+1].text == "(" && !has(f.top[start:end], "=")
}

// segment is the declaration that t[i] stands in.
func segment(t []token, i int) (start, end int) {
	for start = i; start > 0 && t[start-1].text != ";"; start-- {
	}
	for end = i; end < len(t) && t[end].text != ";"; end++ {
	}
	return start, end
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
		word := definedWord(rest)
		if directive == "include" || directive == "import" {
			c.gate.doubt("the file includes what is no header, and so is not read: #"+short(d), nil)
		}
		if directive != "define" && directive != "undef" || word == "pr_fmt" || !onWay[word] && c.used[word] == 0 {
			continue
		}
		c.gate.doubt("the file itself says what "+word+" is for the preprocessor, and the way of a forced umount depends on it: #"+short(d), nil)
	}
}

// again doubts a word of which the check knows what it is, where the patch declares it as something of the file's own.
func (c *comparison) again() {
	known := slices.Concat(slices.Collect(maps.Keys(constants)), slices.Collect(maps.Keys(pure)), slices.Collect(maps.Keys(loggers)),
		slices.Collect(maps.Keys(rateLimits)), slices.Collect(maps.Keys(hookNames)), knownWords, []string{"current", "ve0"}, capabilities)
	slices.Sort(known)
	for _, word := range slices.Compact(known) {
		if has(c.after.top, word) && c.after.functions[word] == nil && declares(c.after.top, word) && !declares(c.base.top, word) {
			c.gate.doubt("the patch declares "+word+" anew, and the way of a forced umount may depend on it", nil)
		}
	}
}
