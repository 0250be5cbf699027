// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"slices"
	"strings"
)

// besideNames are what dnf and zypper go by when they install a package beside older ones of it.
var besideNames = []string{"installonlypkg(kernel)", "multiversion(kernel)"}

var (
	// besideLine is how specs say that a package is a kernel, or what modules are built against.
	besideLine = regexp.MustCompile(`(?i)^(\s*)Provides:(\s*)(kernel|kernel-core|kernel-devel[^\s,\\]*|installonlypkg\(kernel\))(?:[\s,\\]|$)`)
	// besideScope begins another package, or the body of another macro, which may make packages.
	besideScope = regexp.MustCompile(`^\s*%(package|description|define|global|prep|build|install|files)\b|^\s*%\{expand:`)
)

// KeepBeside adds the names by which dnf and zypper keep older kernels to all packages of a spec
// that say in its text that they provide kernel, kernel-core, kernel-devel, or one of the names. The
// spec is not run. packages is to how many places names were added.
func (s *Spec) KeepBeside() (edited Edited, packages int, err error) {
	s, err = s.draft()
	if err != nil {
		return Edited{}, 0, err
	}
	found := false
	for i := 0; i < len(s.lines); {
		end := i + 1
		for end < len(s.lines) && !besideScope.MatchString(s.lines[end].text) {
			end++
		}
		first, has := -1, ""
		for n := i; n < end; n++ {
			l := s.lines[n]
			if !l.macro && l.section != "" && l.section != "package" {
				continue
			}
			if strings.Contains(strings.ToLower(l.text), "provides:") {
				has += l.text + "\n"
			}
			if first < 0 && besideLine.MatchString(l.text) {
				first = n
			}
		}
		missing := slices.DeleteFunc(slices.Clone(besideNames), func(name string) bool { return strings.Contains(has, name) })
		found = found || first >= 0
		if first >= 0 && len(missing) > 0 {
			s.addProvides(first, missing)
			packages++
		}
		i = end
	}
	if !found {
		return Edited{}, 0, s.fail(0, "no package says in the spec's text that it provides kernel", "add Provides: "+strings.Join(besideNames, " and ")+" to the kernel's packages by hand")
	}
	return s.edited(), packages, nil
}

// addProvides adds names beside line i, in the form that it has.
func (s *Spec) addProvides(i int, names []string) {
	l := s.lines[i]
	m := besideLine.FindStringSubmatch(l.text)
	plain := strings.TrimRight(l.text, " \t\r")
	tail := ""
	if strings.HasSuffix(l.text, "\r") {
		tail = "\r"
	}
	at := i + 1
	switch {
	case strings.HasSuffix(plain, `\`):
		tail = `\` + tail
	case l.macro && i > 0 && strings.HasSuffix(strings.TrimRight(s.lines[i-1].text, "\r"), `\`):
		// The last line of a macro: what comes after it is not of the macro.
		at, tail = i, `\`+tail
	}
	var lines []string
	for _, name := range names {
		lines = append(lines, m[1]+"Provides:"+m[2]+name+tail)
	}
	s.insert(at, lines...)
}
