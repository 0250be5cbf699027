// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/ctext"
)

// cfile is a C file as far as the check needs it.
type cfile struct {
	functions map[string]*function
	again     map[string][]int // functions that have a body more than once, with the lines of the others
	outside   map[string]bool  // words that stand outside of functions' bodies
	top       []token          // what stands outside of functions
	macros    map[string]*macro
	defines   []string // its #define, #undef and other lines for the preprocessor
	prefixed  bool     // it defines pr_fmt
	tables    map[string]*table
	leads     map[string]bool // functions that come to umount_begin
	asks      map[string]bool // options that it asks for by #ifdef
	deep      *Fault          // why it is not read, or where not; the rest is not all there then
}

// function is a C function with a body.
type function struct {
	name   string
	line   int
	params []string
	head   []token // of the declaration
	end    int     // line of the brace that closes it
	under  string  // the conditions of the preprocessor that it is compiled under
	body   []stmt
	tokens []token  // of the body
	kinds  []string // the types of its parameters, by their names
	begins bool     // it names umount_begin
	texts  map[string]int
}

func parseFile(src string) *cfile {
	f := &cfile{functions: map[string]*function{}, again: map[string][]int{}, outside: map[string]bool{}}
	if len(src) > maxSource {
		f.deep = &Fault{fmt.Sprintf("the file has more than %d bytes, and is not read", maxSource), nil}
		return f
	}
	f.defines = definitions(src)
	f.macros = macros(f.defines)
	f.prefixed = slices.ContainsFunc(f.defines, func(d string) bool { return strings.HasPrefix(d, "define pr_fmt(") })
	t, deep := scan(src)
	if f.deep = deep; deep != nil {
		return f
	}
	f.asks = asked(t)
	start, kept := 0, 0 // of the declaration, and of what stands outside of functions
	for i := 0; i < len(t); i++ {
		f.outside[t[i].text] = true
		switch t[i].text {
		case ";", "}":
			start = i + 1
		case "(", "[":
			end := closing(t, i)
			for ; i < end && i < len(t); i++ {
				f.outside[t[i].text] = true
			}
		case "{":
			end := closing(t, i)
			if name := declared(t[start:i]); name != "" {
				f.top = append(f.top, t[kept:start]...)
				kept = min(end+1, len(t))
				inner := t[i+1 : min(end, len(t))]
				body, _ := statements(inner)
				fn := &function{
					name: name, line: t[start].line, params: params(t[start:i], name), body: body, tokens: inner, texts: map[string]int{},
					head: t[start:i], end: t[min(end, len(t)-1)].line, under: t[i].under, begins: has(inner, "umount_begin"),
				}
				if f.deep == nil {
					f.deep = deepStatement(body)
				}
				each(body, func(s *stmt) { fn.texts[s.text()]++ })
				fn.kinds = fn.paramTypes()
				if was := f.functions[name]; was != nil {
					f.again[name] = append(f.again[name], was.line)
				}
				f.functions[name] = fn
			} else {
				for _, tok := range t[i:min(end, len(t))] {
					f.outside[tok.text] = true
				}
			}
			i, start = end, end+1
		}
	}
	f.top = append(f.top, t[min(kept, len(t)):]...)
	f.tables = tables(f.top)
	return f
}

var directive = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*(\w*)[ \t]*(.*)$`)

// aHeader is how an #include names a header.
var aHeader = regexp.MustCompile(`^(<[^>]+\.h>|"[^"]+\.h")\s*$`)

// definitions are the lines for the preprocessor that do more than include a header or begin and end a condition: those
// that define a word, above all.
func definitions(src string) []string {
	var all []string
	for _, d := range directive.FindAllStringSubmatch(uncommented(src), -1) {
		switch d[1] {
		case "", "if", "ifdef", "ifndef", "elif", "else", "endif":
			continue
		case "include":
			if aHeader.MatchString(d[2]) {
				continue
			}
		}
		all = append(all, strings.Join(strings.Fields(d[1]+" "+d[2]), " "))
	}
	return all
}

// params are the names of a function's parameters.
func params(t []token, name string) []string {
	for i := range t {
		if t[i].text != "(" {
			continue
		}
		end := closing(t, i)
		_, call := ctext.SyscallMacro(t[max(i-1, 0)].text)
		if i == 0 || !call && t[i-1].text != name {
			continue
		}
		var all []string
		for n, part := range split(t[i+1:min(end, len(t))], ",") {
			if call && (n == 0 || n%2 == 1) || len(part) == 0 {
				// The call's name, and the types, which stand apart.
				continue
			}
			all = append(all, part[len(part)-1].text)
		}
		return all
	}
	return nil
}

// split cuts tokens at an operator outside of brackets.
func split(t []token, at string) [][]token {
	var all [][]token
	start := 0
	for i := 0; i < len(t); i++ {
		switch t[i].text {
		case at:
			all = append(all, t[start:i])
			start = i + 1
		case "(", "[", "{":
			i = closing(t, i)
		}
	}
	if start < len(t) {
		all = append(all, t[start:])
	}
	return all
}

// each calls visit for all statements.
func each(body []stmt, visit func(*stmt)) {
	for i := range body {
		visit(&body[i])
		each(body[i].body, visit)
		each(body[i].other, visit)
	}
}

// within calls visit for all statements, those in loops included.
func within(body []stmt, visit func(*stmt)) {
	each(body, func(s *stmt) {
		visit(s)
		within(s.inner, visit)
	})
}

// wayWords make a function one that the check follows, and not an event on the way.
var wayWords = []string{"MNT_FORCE", "MNT_EXPIRE", "umount_begin", "may_mount", "capable", "ns_capable"}

// follow are the functions of a file that may lie on the way, or that other says are changed.
func (f *cfile) follow(changed func(*function) bool, cost *budget) map[string]bool {
	all := map[string]bool{}
	for name, fn := range f.functions {
		if changed(fn) || slices.ContainsFunc(fn.tokens, func(t token) bool { return slices.Contains(wayWords, t.text) }) {
			all[name] = true
		}
	}
	for more := true; more; {
		more = false
		for name, fn := range f.functions {
			if all[name] || !cost.spend(len(fn.tokens), fn.line) {
				continue
			}
			for i := 0; i+1 < len(fn.tokens); i++ {
				if fn.tokens[i+1].text == "(" && all[fn.tokens[i].text] {
					all[name], more = true, true
					break
				}
			}
		}
	}
	return all
}
