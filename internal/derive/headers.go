// SPDX-License-Identifier: Apache-2.0

package derive

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/gate"
)

// facts are what the headers of a source declare. Where they are not at hand, the version of
// a plain kernel says it for what every such kernel has.
type facts struct {
	headers map[string][]byte
	order   []string // their names, those of include/linux first
	known   bool
	version [3]int
	plain   bool
	reached map[string]bool // headers that fs/namespace.c includes, directly or by others
}

func newFacts(src Source) *facts {
	f := &facts{headers: map[string][]byte{}, version: src.Version, plain: src.Plain, reached: map[string]bool{}}
	for name, data := range src.Files {
		if path.Ext(name) == ".h" {
			f.headers[name] = data
			f.order = append(f.order, name)
		}
	}
	slices.SortFunc(f.order, func(a, b string) int {
		if x, y := strings.HasPrefix(a, "include/linux/"), strings.HasPrefix(b, "include/linux/"); x != y {
			return map[bool]int{true: -1, false: 1}[x]
		}
		return strings.Compare(a, b)
	})
	f.known = f.headers["include/linux/fs.h"] != nil
	f.reach(src.Files[gate.File], map[string]bool{})
	return f
}

// since says from which version on plain kernels have a name.
var since = map[string][3]int{
	"task_active_pid_ns":     {2, 6, 25},
	"init_pid_ns":            {2, 6, 24},
	"child_reaper":           {2, 6, 24},
	"proc_inum":              {3, 8, 0},
	"ns.inum":                {3, 19, 0},
	"DEFINE_RATELIMIT_STATE": {2, 6, 27},
	"__ratelimit":            {2, 6, 27},
	"printk_ratelimit":       {2, 6, 10},
	"printk_ratelimited":     {2, 6, 33},
	"pr_warn_ratelimited":    {2, 6, 36},
	"bool":                   {2, 6, 19},
}

func (f *facts) atLeast(v [3]int) bool { return slices.Compare(f.version[:], v[:]) >= 0 }

// bySince answers from the version.
func (f *facts) bySince(name string) (Line, bool) {
	v, every := since[name]
	return Line{File: "Makefile", Text: "the version, for the source has no headers"}, every && f.plain && f.atLeast(v)
}

// find looks for a declaration of a name and returns its line.
func (f *facts) find(name, pattern string) (Line, bool) {
	if !f.known {
		return f.bySince(name)
	}
	re := regexp.MustCompile(pattern)
	for _, h := range f.order {
		// Looking for the plain name first is what makes this quick.
		if !bytes.Contains(f.headers[h], []byte(name)) {
			continue
		}
		if at := re.FindIndex(f.headers[h]); at != nil {
			n := bytes.Count(f.headers[h][:at[0]], []byte("\n")) + 1
			text := f.headers[h][at[0]:]
			text, _, _ = bytes.Cut(bytes.TrimLeft(text, "\r\n"), []byte("\n"))
			return Line{File: h, Line: n, Text: strings.TrimSpace(string(text))}, true
		}
	}
	return Line{}, false
}

// macro finds a #define of a name.
func (f *facts) macro(name string) (Line, bool) {
	return f.find(name, `(?m)^[ \t]*#[ \t]*define[ \t]+`+regexp.QuoteMeta(name)+`\b`)
}

// declared finds a function or variable, or a macro of that name.
func (f *facts) declared(name string) (Line, bool) {
	if l, ok := f.macro(name); ok || !f.known {
		return l, ok
	}
	return f.find(name, `(?m)^[A-Za-z_][\w \t*]*[ \t*]`+regexp.QuoteMeta(name)+`\b[ \t]*[(;\[]`)
}

// field finds a member of a struct.
func (f *facts) field(tag, member string) (Line, bool) {
	if !f.known {
		return f.bySince(member)
	}
	begin := regexp.MustCompile(`(?m)^struct[ \t]+` + regexp.QuoteMeta(tag) + `[ \t]*\{`)
	has := regexp.MustCompile(`(?m)^[ \t][^\n]*\b` + regexp.QuoteMeta(member) + `\b[^\n(]*;`)
	for _, h := range f.order {
		data := f.headers[h]
		at := begin.FindIndex(data)
		if at == nil {
			continue
		}
		end := bytes.Index(data[at[0]:], []byte("\n}"))
		if end < 0 {
			continue
		}
		if m := has.FindIndex(data[at[0] : at[0]+end]); m != nil {
			n := bytes.Count(data[:at[0]+m[0]], []byte("\n")) + 1
			return Line{File: h, Line: n, Text: strings.TrimSpace(string(data[at[0]+m[0] : at[0]+m[1]]))}, true
		}
	}
	return Line{}, false
}

var includes = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include[ \t]*<([\w./-]+)>`)

// reach notes what a text includes for certain: what a condition holds counts only where it
// is the header's own guard against being read twice, or __KERNEL__.
func (f *facts) reach(text []byte, seen map[string]bool) {
	depth := 0
	var open []bool // the open conditions: whether each counts as one
	for l := range bytes.Lines(text) {
		line := strings.TrimSpace(string(l))
		switch word := directive(line); {
		case strings.HasPrefix(word, "if"):
			counts := !(word == "ifndef" && len(open) == 0) && !strings.Contains(line, "__KERNEL__") && !strings.Contains(line, "__ASSEMBLY__") && !strings.Contains(line, "__ASSEMBLER__")
			open = append(open, counts)
			if counts {
				depth++
			}
		case word == "endif" && len(open) > 0:
			if open[len(open)-1] {
				depth--
			}
			open = open[:len(open)-1]
		case word == "include" && depth == 0:
			m := includes.FindStringSubmatch(line)
			if m == nil || seen[m[1]] {
				continue
			}
			seen[m[1]] = true
			for _, dir := range []string{"include/", "include/uapi/"} {
				if data, ok := f.headers[dir+m[1]]; ok {
					f.reached[dir+m[1]] = true
					f.reach(data, seen)
					break
				}
			}
			f.reached["include/"+m[1]] = true
		}
	}
}

// include is the header, as an #include names it, that fs/namespace.c lacks for a
// declaration; "" where it has it.
func (f *facts) include(l Line) string {
	if f.reached[l.File] {
		return ""
	}
	name, ok := strings.CutPrefix(l.File, "include/")
	name = strings.TrimPrefix(name, "uapi/")
	if !ok || !strings.HasPrefix(name, "linux/") {
		return ""
	}
	return name
}
