// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"regexp"
	"strings"
)

// variables are what a kernel's top Makefiles set, by name.
type variables map[string]string

var (
	assignment = regexp.MustCompile(`^( *)([A-Z_]+)[ \t]*:?=[ \t]*(.*?)[ \t]*(?:#.*)?$`)
	reference  = regexp.MustCompile(`\$[({]([A-Z_]+)[)}]`)
)

// read reads a Makefile's assignments and expands the variables in them. The first assignment to
// a name counts. With assignments in a conditional, which the kernel indents, OpenVZ names a
// build: they set EXTRAVERSION if it has no value, and change VZVERSION. There, what calls a
// function of make is left out: nothing is run here.
func (v variables) read(makefile []byte) {
	for line := range strings.Lines(string(makefile)) {
		m := assignment.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		conditional, name, value := m[1] != "", m[2], v.expand(m[3])
		_, again := v[name]
		switch {
		case !conditional && !again:
		case conditional && name == "EXTRAVERSION" && v[name] == "" && plain.MatchString(value):
		case conditional && name == "VZVERSION" && plain.MatchString(value):
		default:
			continue
		}
		v[name] = value
	}
}

// expand replaces $(NAME) by the variable's value, and unknown ones by nothing, as make does.
func (v variables) expand(text string) string {
	return reference.ReplaceAllStringFunc(text, func(r string) string {
		return v[reference.FindStringSubmatch(r)[1]]
	})
}
