// SPDX-License-Identifier: GPL-2.0-only

package srpm

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	releaseTag   = regexp.MustCompile(`(?i)^\s*Release\s*:\s*(\S.*?)\s*$`)
	onlyMacro    = regexp.MustCompile(`^%(?:\{\??(\w+)\}|(\w+))$`)
	usesBuildID  = regexp.MustCompile(`%\{\??buildid\}|%buildid\b`)
	buildIDHint  = regexp.MustCompile(`^\s*#\s*%?\s*(define|global)\s+buildid\b`)
	macroUse     = regexp.MustCompile(`%(?:\{[?!]*(\w+)|(\w+))`)
	setupName    = regexp.MustCompile(`^\s*%(?:auto)?setup\b`)
	adviceNoMark = `build with an empty release tag, or use --spec=replace`
)

// releaseLine is the line of the main package's Release, -1 without.
func (s *spec) releaseLine() int {
	for i, l := range s.lines {
		if l.section == "" && !l.macro && releaseTag.MatchString(l.text) {
			return i
		}
	}
	return -1
}

// definitions gives the lines that define a macro, outside of macro bodies.
func (s *spec) definitions(name string) []int {
	var list []int
	for i, l := range s.lines {
		if m := definition.FindStringSubmatch(l.text); m != nil && m[2] == name && !l.macro && l.section != "changelog" {
			list = append(list, i)
		}
	}
	return list
}

// markRelease appends the tag to the release, at the place the spec means for it: in
// the kernels of Red Hat's kind that is buildid, as the release goes into uname -r and
// into directories by the same macro. Others follow Release to where its value is.
func (s *spec) markRelease(tag string) error {
	at := s.releaseLine()
	if at < 0 {
		return s.fail(0, "there is no Release", adviceNoMark)
	}
	if len(s.lines[at].within) > 0 {
		return s.fail(at+1, "Release is under a condition", adviceNoMark)
	}
	changed := map[string]bool{"release": true, "PACKAGE_RELEASE": true}
	if err := s.markLine(at, releaseTag.FindStringSubmatch(s.lines[at].text)[1], tag, changed, 0); err != nil {
		return err
	}
	return s.checkFollowers(changed)
}

// markLine marks the value at the end of line at, or what it stands for.
func (s *spec) markLine(at int, value, tag string, changed map[string]bool, depth int) error {
	if strings.HasSuffix(value, `\`) || strings.Contains(value, "#") {
		return s.fail(at+1, "the release's value goes on in another line or has a comment", adviceNoMark)
	}
	if usesBuildID.MatchString(value) {
		if done, err := s.markBuildID(tag, changed); done || err != nil {
			return err
		}
	}
	if m := onlyMacro.FindStringSubmatch(value); m != nil && depth < 8 {
		name := m[1] + m[2]
		lines := s.definitions(name)
		for _, i := range lines {
			value := definition.ReplaceAllString(strings.TrimRight(s.lines[i].text, " \t\r"), "")
			if value == "" {
				return s.fail(i+1, "it defines nothing", adviceNoMark)
			}
			if err := s.markLine(i, value, tag, changed, depth+1); err != nil {
				return err
			}
		}
		if len(lines) > 0 {
			changed[name] = true
			return nil
		}
	}
	for _, e := range s.edits {
		if e.at == at && e.remove > 0 {
			return nil // two ways led to the same line
		}
	}
	s.replace(at, strings.TrimRight(s.lines[at].text, " \t\r")+tag)
	return nil
}

// markBuildID sets buildid, where the spec has it or leaves a place for it.
func (s *spec) markBuildID(tag string, changed map[string]bool) (bool, error) {
	for _, e := range s.edits {
		text := s.lines[min(e.at, len(s.lines)-1)].text
		m := definition.FindStringSubmatch(text)
		if e.remove > 0 && (m != nil && m[2] == "buildid" || buildIDHint.MatchString(text)) {
			return true, nil // set on another way to it
		}
	}
	lines := s.definitions("buildid")
	for _, i := range lines {
		s.replace(i, strings.TrimRight(s.lines[i].text, " \t\r")+tag)
	}
	if len(lines) > 0 {
		changed["buildid"] = true
		return true, nil
	}
	for i, l := range s.lines {
		if !l.macro && l.section == "" && len(l.within) == 0 && buildIDHint.MatchString(l.text) {
			s.replace(i, fmt.Sprintf("%%define buildid %s", tag))
			changed["buildid"] = true
			return true, nil
		}
	}
	return false, nil
}

// checkFollowers refuses a spec whose sources or directories change their names with
// the release: they come from outside and keep theirs.
func (s *spec) checkFollowers(changed map[string]bool) error {
	// Macros are followed to a fixed point; each round adds at least one.
	for again := true; again; {
		again = false
		for _, l := range s.lines {
			m := definition.FindStringSubmatch(l.text)
			if m == nil || changed[m[2]] || l.section == "changelog" {
				continue
			}
			if usesAny(l.text[len(m[0]):], changed) {
				changed[m[2]], again = true, true
			}
		}
	}
	for i, l := range s.lines {
		if l.macro {
			continue
		}
		m := sourceTag.FindStringSubmatch(l.text)
		if l.section == "" && m != nil && usesAny(m[1], changed) {
			return s.fail(i+1, "the name of a source follows the release, which the tag changes", adviceNoMark)
		}
		if l.section == "prep" && setupName.MatchString(l.text) && !hasOption(l.text, 'c') && usesAny(l.text, changed) {
			return s.fail(i+1, "the directory in the tarball follows the release, which the tag changes", adviceNoMark)
		}
	}
	return nil
}

func usesAny(text string, names map[string]bool) bool {
	for _, m := range macroUse.FindAllStringSubmatch(text, -1) {
		if names[m[1]+m[2]] {
			return true
		}
	}
	return false
}
