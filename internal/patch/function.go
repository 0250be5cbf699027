// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"path"
	"strings"

	"ovzpatch/internal/ctext"
)

// isC reports whether C's layout shows where functions begin and end in the file.
func isC(name string) bool {
	switch path.Ext(name) {
	case ".c", ".h":
		return true
	}
	return false
}

// enclosingFunction returns the name of the C function whose body holds line n, "" at file level.
//
// It relies on the kernel's coding style: a body ends with a brace in the first column, and a
// signature starts there. Counting braces would not be better: the branches of an #ifdef may open
// a brace twice and close it once.
func enclosingFunction(t *text, n int) string {
	open := false
	for at := min(n-1, t.count()); at >= 1; at-- {
		line := t.line(at)
		switch c := line[0]; {
		case c == '}' && !open:
			return ""
		case c == '{':
			open = true
		case ctext.NameStart(c):
			s := strings.TrimRight(string(line), " \t\r\n")
			if !open && !strings.HasSuffix(s, "{") {
				// A label, or a signature whose body is still to come. After an open signature,
				// line n is not in a body yet; after a label it is.
				continue
			}
			if name := functionName(strings.TrimRight(strings.TrimSuffix(s, "{"), " ")); name != "" {
				return name
			}
			if strings.HasSuffix(s, "{") {
				return ""
			}
		case c == '}' && open:
			return ""
		}
	}
	return ""
}

// functionName returns the name of the C function in the first line of its signature, or in what
// a hunk's header quotes of that. It returns "" for anything else: a label, a variable, a macro
// call. System calls have the name of their symbol.
func functionName(line string) string {
	line = strings.TrimSpace(line)
	before, after, found := strings.Cut(line, "(")
	if !found || line == "" || !ctext.NameStart(line[0]) || strings.HasSuffix(line, ";") || strings.ContainsAny(before, "=#:\"") {
		return ""
	}
	before = strings.TrimRight(before, " \t")
	start := len(before)
	for start > 0 && ctext.NameByte(before[start-1]) {
		start--
	}
	name := before[start:]
	if prefix, call := ctext.SyscallMacro(name); call {
		arg, _, _ := strings.Cut(after, ",")
		arg = strings.Trim(arg, " \t)")
		if arg == "" {
			return ""
		}
		return prefix + arg
	}
	switch {
	case name == "", !ctext.NameStart(name[0]), strings.HasPrefix(after, "*"):
		return ""
	case strings.HasPrefix(name, "__") && start == 0:
		// __releases(lock) and the like, on a line of its own below the signature.
		return ""
	case name == strings.ToUpper(name):
		return ""
	}
	switch name {
	case "if", "for", "while", "switch", "return", "sizeof", "typeof", "defined", "__attribute__", "typedef":
		return ""
	}
	return name
}
