// SPDX-License-Identifier: GPL-2.0-only

package srpm

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	requireTag = regexp.MustCompile(`(?i)^\s*Build(?:Requires|PreReq)(?:\([\w,]+\))?\s*:\s*(.*?)\s*$`)
	comparison = regexp.MustCompile(`\s*(<=|>=|=|<|>)\s*\S+`)
	separator  = regexp.MustCompile(`[\s,]+`)
)

// BuildRequires gives the packages that building a spec with these options needs, without
// their versions, in the spec's order. What hangs on conditions that cannot be told is
// among them; a name that is put together by macros that cannot be told stays as it is
// written, and a condition between packages ("(a or b)") stays whole.
func BuildRequires(name string, text []byte, o Options) ([]string, error) {
	s, err := parseSpec(path.Base(name), text)
	if err != nil {
		return nil, err
	}
	var list []string
	s.evaluate(o, func(i int, live truth, m macros) {
		l := s.lines[i]
		if live == no || l.macro || l.section != "" && l.section != "package" {
			return
		}
		tag := requireTag.FindStringSubmatch(l.text)
		if tag == nil {
			return
		}
		value, ok := m.expand(tag[1])
		if !ok {
			value = tag[1]
		}
		words := []string{value}
		if !strings.HasPrefix(value, "(") {
			words = separator.Split(comparison.ReplaceAllString(value, ""), -1)
		}
		for _, w := range words {
			if w != "" && !slices.Contains(list, w) {
				list = append(list, w)
			}
		}
	})
	return list, nil
}
