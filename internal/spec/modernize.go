// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"slices"
	"strings"
)

// Refused is a line of a spec that today's tools do not take: rpm since 4.20, or depmod of kmod 34.
type Refused struct {
	Line   int // 1 for the first
	Text   string
	Reason string
	depmod bool
}

var (
	// numberedPatch is a patch applied by a macro with its number; in an argument of
	// another macro, as in %{?with_x:%patch1 -p1}, it comes to the same.
	numberedPatch = regexp.MustCompile(`(^\s*|[:{]\s*)%patch(\d+)\b`)
	// plainPatch is one without: rpm took it for the patch of number 0.
	plainPatch = regexp.MustCompile(`^(\s*)%patch(\s+\S.*|\s*)$`)
	// ownVersion is rpm's own macro now, which old kernel specs have for the kernel's.
	ownVersion    = regexp.MustCompile(`^\s*%(define|global)\s+rpmversion\s`)
	versionInText = regexp.MustCompile(`(%\{[?!]*|%(?:define\s+|global\s+)?)rpmversion\b`)
)

// versionName is what Fedora's kernel spec calls that macro since.
const versionName = "specrpmversion"

// RefusedSince420 returns the lines of a spec that rpm since 4.20 refuses when it reads it,
// however they are switched.
func (s *Spec) RefusedSince420() ([]Refused, error) { return s.refused(false) }

// RefusedByDepmod returns the lines that call depmod with an option that kmod 34 refuses.
func (s *Spec) RefusedByDepmod() ([]Refused, error) { return s.refused(true) }

func (s *Spec) refused(depmod bool) ([]Refused, error) {
	_, refused, err := s.modernized()
	return slices.DeleteFunc(refused, func(r Refused) bool { return r.depmod != depmod }), err
}

// Modernize rewrites all of these lines, and what uses a macro that must have another name, so
// that every rpm, and every depmod, takes them. Nothing else is touched; the spec is not run.
func (s *Spec) Modernize() (Edited, error) {
	s, _, err := s.modernized()
	if err != nil {
		return Edited{}, err
	}
	return s.edited(), nil
}

func (s *Spec) modernized() (*Spec, []Refused, error) {
	s, err := s.draft()
	if err != nil {
		return nil, nil, err
	}
	defines := false
	for _, l := range s.lines {
		defines = defines || l.section != "changelog" && ownVersion.MatchString(l.text)
	}
	var refused []Refused
	for i, l := range s.lines {
		now, reason, depmod := l.text, "", false
		if l.section == "changelog" || strings.HasPrefix(strings.TrimSpace(l.text), "#") && !strings.Contains(l.text, "rpmversion") {
			continue
		}
		if l.section == "prep" {
			if found := numberedPatch.ReplaceAllString(now, "${1}%patch -P ${2}"); found != now {
				now, reason = found, "%patchN is obsolete"
			} else if m := plainPatch.FindStringSubmatch(now); m != nil && !namesPatch(m[2]) {
				now, reason = m[1]+"%patch -P 0"+m[2], "%patch without a number"
			}
		}
		if l.section == "build" || l.section == "install" {
			if found := withoutOldOptions(now); found != now {
				now, reason, depmod = found, "options without effect that kmod 34 refuses", true
			}
		}
		if defines {
			if ownVersion.MatchString(now) {
				reason, depmod = "%rpmversion is rpm's own macro", false
			}
			now = versionInText.ReplaceAllString(now, "${1}"+versionName)
		}
		if reason != "" {
			refused = append(refused, Refused{i + 1, l.text, reason, depmod})
		}
		if now != l.text {
			s.replace(i, now)
		}
	}
	return s, refused, nil
}

// namesPatch tells whether the arguments of %patch have a number. Where a macro may give
// it, nobody knows without running it, and the line is left alone.
func namesPatch(args string) bool {
	if strings.Contains(args, "%") || hasOption(args, 'P') {
		return true
	}
	words := strings.Fields(args)
	for i, word := range words {
		if _, ok := number(word); ok && (i == 0 || !takesValue.MatchString(words[i-1])) {
			return true
		}
	}
	return false
}

// takesValue is an option of %patch whose value is the next word.
var takesValue = regexp.MustCompile(`^-[bdFopz]$`)
