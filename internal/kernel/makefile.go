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

// read takes a Makefile's assignments in, with the variables in them put in place. The
// first of a name counts. Those in a conditional, which the kernel indents, are OpenVZ's
// way to name a build: they give EXTRAVERSION a value where it has none, and VZVERSION
// another one. What calls a function of make is left out there: nothing is run here.
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

// expand puts the variables' values in place of $(NAME), nothing for unknown ones, as
// make does.
func (v variables) expand(text string) string {
	return reference.ReplaceAllStringFunc(text, func(r string) string {
		return v[reference.FindStringSubmatch(r)[1]]
	})
}
