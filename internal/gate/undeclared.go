// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/ctext"
)

// undeclared says which names and headers the patched text wants that the source does not have:
// all that the patch brings, and those of the source's own that the way of a forced umount needs.
// A kernel that lacks one does not compile, so that nothing else is judged.
func (n *Names) undeclared(c *comparison, before, after string) []Fault {
	if !n.known() {
		return nil
	}
	all := n.missingHeaders(before, after)
	l := lookup{names: n, cost: c.reading, file: c.after, base: c.base.words(), used: c.used, whole: n.whole(before), told: map[string]bool{}}
	onWay := c.after.reachedFrom(umount)
	for _, name := range slices.Sorted(maps.Keys(c.after.functions)) {
		fn := c.after.functions[name]
		all = append(all, l.words(fn, slices.Concat(fn.head, []token{{text: "{"}}, fn.tokens), onWay[name])...)
		if !alike(fn, c.base.functions[name]) {
			all = append(all, n.members(fn.tokens, c.reading)...)
		}
	}
	all = append(all, l.words(&function{}, c.after.top, false)...)
	for _, name := range slices.Sorted(maps.Keys(c.written)) {
		if !l.told[name] && l.search(len(c.after.top), c.written[name]) && !declares(c.after.top, name) && !n.variable(name) {
			all = append(all, Fault{"nothing in the source declares a variable " + name + " where it is set", []int{c.written[name]}})
		}
	}
	return all
}

// variable reports whether a header may declare a variable of all files.
func (n *Names) variable(name string) bool {
	is := regexp.MustCompile(`(?m)\bextern\b[^(\n]*\b` + name + `\b|\bDECLARE_\w+\(.*\b` + name + `\b|^[ \t]*#[ \t]*define[ \t]+` + name + `\b`)
	return slices.ContainsFunc(n.order, func(file string) bool {
		return n.stands(file, name) && is.Match(n.code(file))
	})
}

// reachedFrom are the functions of the file that one comes to, with itself.
func (f *cfile) reachedFrom(name string) map[string]bool {
	all := map[string]bool{name: true}
	for next := []string{name}; len(next) > 0; next = next[1:] {
		for _, t := range f.functions[next[0]].tokens {
			if f.functions[t.text] != nil && !all[t.text] {
				all[t.text] = true
				next = append(next, t.text)
			}
		}
	}
	return all
}

// lookup looks names up.
type lookup struct {
	names *Names
	file  *cfile
	base  map[string]bool // the words of the text without the patch
	used  map[string]int  // names that the hook was seen to use
	whole bool            // the source is whole enough to judge all words
	told  map[string]bool
	cost  *budget
}

// search spends what it takes to look a word up in so many tokens, and in the headers.
func (l *lookup) search(tokens, line int) bool {
	return l.cost.spend(evalSteps+tokens+l.names.size/searchedBytes, line)
}

// searchedBytes are the bytes of headers that are searched in a step.
const searchedBytes = 50

// maxMissing bounds the names that are told as missing: to find that one stands nowhere takes reading all headers.
const maxMissing = 20

// words looks up the words of a function, or of what stands outside of functions. own says that
// those of the source count as well as those of the patch.
func (l *lookup) words(fn *function, t []token, own bool) []Fault {
	var all []Fault
	for i, tok := range t {
		w := tok.text
		if !ctext.NameStart(w[0]) || l.told[w] || i > 0 && t[i-1].text == "goto" || l.base[w] && !own {
			continue
		}
		reason := ""
		if !l.cost.spend(evalSteps+len(t)/4, tok.line) || len(l.told) == maxMissing {
			return all
		}
		switch {
		case l.base[w] && !l.whole:
			// What is the same in all kernels is known all the same.
			if strings.HasPrefix(w, "CAP_") && !slices.Contains(knownCapabilities, w) && !l.names.has(w) {
				reason = w + ", which " + fn.name + "() uses, is no capability that is known here"
			}
		case l.base[w] && l.file.outside[w], !l.whole && l.used[w] == 0:
		case l.file.knows(w), slices.Contains(fn.params, w), declares(t, w), l.names.declares(w), l.names.pastes(called(t, i)):
		case l.base[w]:
			reason = "nothing in the source declares " + w + ", which " + fn.name + "() uses"
		default:
			reason = "nothing in the source declares " + w + ", which the hook uses"
		}
		if reason != "" {
			l.search(0, tok.line)
			all = append(all, Fault{reason, []int{tok.line}})
			l.told[w] = true
		}
	}
	return all
}

// knownCapabilities are those that decide over an umount.
var knownCapabilities = []string{"CAP_SYS_ADMIN", "CAP_VE_SYS_ADMIN", "CAP_VE_ADMIN"}

// words are those of a whole file, but for what #define says.
func (f *cfile) words() map[string]bool {
	all := map[string]bool{}
	add := func(t []token) {
		for _, tok := range t {
			all[tok.text] = true
		}
	}
	add(f.top)
	for _, fn := range f.functions {
		add(fn.head)
		add(fn.tokens)
	}
	return all
}

// builtin are words that no header declares: C's and the compiler's, and Kconfig's.
var builtin = regexp.MustCompile(`^(CONFIG_.*|__builtin_.*|__(func|FUNCTION|LINE|FILE|COUNTER|label|attribute|typeof|alignof|asm|volatile|inline|auto_type)_*|` +
	`auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register|return|short|` +
	`signed|sizeof|static|struct|switch|typedef|typeof|union|unsigned|void|volatile|while|asm|_Bool|_Static_assert|_Generic|_Alignof)$`)

// knows says of a word whether it needs no header.
func (f *cfile) knows(w string) bool {
	// The name of a system call stands without what comes before it.
	if builtin.MatchString(w) || f.functions[w] != nil || f.functions["sys_"+w] != nil || f.functions["compat_sys_"+w] != nil || declares(f.top, w) {
		return true
	}
	return slices.ContainsFunc(f.defines, func(d string) bool {
		name, ok := strings.CutPrefix(d, "define "+w)
		return ok && (name == "" || !ctext.NameByte(name[0]))
	})
}

// declares says whether t, of a function or of what stands outside of all, may declare w.
// It says so too often rather than too seldom: what is not declared is refused.
func declares(t []token, w string) bool {
	for i := range t {
		if t[i].text == w && declaresAt(t, i) {
			return true
		}
	}
	return false
}

// noTypes are words that stand before a name without being its type.
var noTypes = []string{"return", "else", "case", "sizeof", "typeof", "do", "goto"}

func declaresAt(t []token, i int) bool {
	at := func(i int) string {
		if i < 0 || i >= len(t) {
			return ";"
		}
		return t[i].text
	}
	before, next := at(i-1), at(i+1)
	switch {
	case before == "struct" || before == "union" || before == "enum":
		return next == "{" || next == ";"
	case ctext.NameStart(before[0]):
		return !slices.Contains(noTypes, before)
	case next == ":" && strings.Contains(";{}:", before):
		return true // a label
	case before == "*" && at(i-2) == "(" && next == ")" && at(i+2) == "(":
		return true // a pointer to a function
	}
	start := i
	for start > 0 && !strings.Contains(";{}", at(start-1)) {
		start--
	}
	if listed(t, start, i) {
		return true
	}
	seg := t[start:i]
	depth := 0
	for k, tok := range seg {
		switch tok.text {
		case "(", "[":
			if declaringMacro(at(start+k-1)) && (k == len(seg)-1 || k == len(seg)-3 && before == ",") {
				return true
			}
			depth++
		case ")", "]":
			depth--
		}
	}
	if len(seg) < 2 || !isDeclaration(seg) && !(seg[1].text == "*" && ctext.NameStart(seg[0].text[0])) {
		return false
	}
	if depth > 0 {
		return before == "*" && strings.Contains(",)", next) && !has(seg, "=")
	}
	return before == "*" || before == ","
}

// listed reports whether t[i] stands in the list of an enum.
func listed(t []token, start, i int) bool {
	for k := max(start-3, 0); k < start; k++ {
		if t[k].text == "enum" && t[start-1].text == "{" {
			return t[i-1].text == "{" || t[i-1].text == ","
		}
	}
	return false
}

// declaringMacro reports whether what a macro is given first, or second, may be the name of
// what it declares.
func declaringMacro(name string) bool {
	return strings.HasPrefix(name, "DEFINE_") || strings.HasPrefix(name, "DECLARE_") || strings.HasSuffix(name, "LIST_HEAD") || name == "CLASS"
}

// declares says of a word whether a header may declare it.
func (n *Names) declares(w string) bool {
	// Functions of trace points are made by a macro, which is told the rest.
	rest, trace := strings.CutPrefix(w, "trace_")
	if hookNames[w] {
		return n.says(w)
	}
	return n.has(w) || trace && n.has(rest)
}

// called is the function or macro that t[i] is an argument of, "" where it is none.
func called(t []token, i int) string {
	depth := 0
	for i--; i > 0; i-- {
		switch t[i].text {
		case ")":
			depth++
		case "(":
			if depth == 0 && ctext.NameStart(t[i-1].text[0]) {
				return t[i-1].text
			}
			depth--
		case ";", "{", "}":
			return ""
		}
	}
	return ""
}

// pastes reports whether a header makes a macro that puts its arguments together with other
// words: they need no declaration of their own.
func (n *Names) pastes(macro string) bool {
	if macro == "" || !n.has(macro) {
		return false
	}
	is := regexp.MustCompile(`(?m)^[ \t]*#[ \t]*define[ \t]+` + macro + `\((?:.*\\\r?\n)*.*##`)
	return slices.ContainsFunc(n.order, func(file string) bool {
		return n.stands(file, macro) && is.Match(n.code(file))
	})
}

var include = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include[ \t]*([<"])(\S+)[>"]`)

// header returns where the tree has the header of an #include, and whether such are known.
func (n *Names) header(mark, name string) (there, known bool) {
	if mark == `"` && n.headers[path.Join("fs", name)] != nil {
		return true, true
	}
	top, _, below := strings.Cut(name, "/")
	switch {
	case mark == `"` && below, top == "asm", top == "generated", slices.Contains(madeHeaders, name):
		return true, false
	}
	return n.headers["include/"+name] != nil || n.headers["include/uapi/"+name] != nil, true
}

// madeHeaders are made while a kernel is built.
var madeHeaders = []string{"linux/version.h", "linux/autoconf.h", "linux/utsrelease.h", "linux/compile.h"}

// missingHeaders says which headers the patched text includes and the source does not have: of
// the source's own only where it has most.
func (n *Names) missingHeaders(before, after string) []Fault {
	var all []Fault
	whole := n.whole(before)
	for _, m := range include.FindAllStringSubmatchIndex(after, -1) {
		mark, name := after[m[2]:m[3]], after[m[4]:m[5]]
		by, own := "the patch", strings.Contains(before, strings.TrimSpace(after[m[0]:m[1]]))
		if own {
			by = File
		}
		if there, _ := n.header(mark, name); there || (own || mark == `"`) && !whole {
			continue
		}
		spelled := strings.TrimSpace(after[m[2] : m[5]+1])
		all = append(all, Fault{"the source has no header " + spelled + ", which " + by + " includes", []int{1 + strings.Count(after[:m[0]], "\n")}})
	}
	return all
}

// whole reports whether the source has most of the headers that a file includes. A reduced one
// lacks them, and with them the names of the file's own.
func (n *Names) whole(src string) bool {
	has, lacks := 0, 0
	for _, m := range include.FindAllStringSubmatch(src, -1) {
		switch there, known := n.header(m[1], m[2]); {
		case known && there:
			has++
		case known:
			lacks++
		}
	}
	return has >= 5 && has > lacks
}
