// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"slices"
	"strings"
)

var (
	requireTag = regexp.MustCompile(`(?i)^\s*Build(?:Requires|PreReq)(?:\([\w,]+\))?\s*:\s*(.*?)\s*$`)
	comparison = regexp.MustCompile(`\s*(<=|>=|=|<|>)\s*\S+`)
	separator  = regexp.MustCompile(`[\s,]+`)
)

// BuildRequires returns the packages that building a spec with these options needs, without
// their versions and machines, in the spec's order. What depends on conditions that cannot be told is
// among them; a name that is put together by macros that cannot be told stays as it is
// written, and a condition between packages ("(a or b)") stays whole.
func (s *Spec) BuildRequires(o Options) ([]string, error) {
	if s.err != nil {
		return nil, s.err
	}
	var list []string
	m := o.macros()
	for l := range s.evaluate(m) {
		if l.live == no || l.section != "" && l.section != "package" {
			continue
		}
		tag := requireTag.FindStringSubmatch(l.text)
		if tag == nil {
			continue
		}
		written := strings.ReplaceAll(tag[1], "%{?_isa}", "")
		value := m.expand(written)
		if !known(value) {
			value = written
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
	}
	return list, nil
}
