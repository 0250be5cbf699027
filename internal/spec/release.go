// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	releaseTag  = regexp.MustCompile(`(?i)^\s*Release\s*:\s*(\S.*?)\s*$`)
	onlyMacro   = regexp.MustCompile(`^%(?:\{\??(\w+)\}|(\w+))$`)
	bareAtEnd   = regexp.MustCompile(`%(\w+)([ \t]+[^%{}]*)?$`)
	usesBuildID = regexp.MustCompile(`%\{\??buildid\}|%buildid\b`)
	buildIDHint = regexp.MustCompile(`^\s*#\s*%?\s*(define|global)\s+buildid\b`)
	macroUse    = regexp.MustCompile(`%(?:\{[?!]*(\w+)|(\w+))`)
	setupName   = regexp.MustCompile(`^\s*%(?:auto)?setup\b`)
	// AdviceNoMark is what remains to do where the release cannot be marked.
	AdviceNoMark = `build with an empty release tag, or use --spec=replace`
)

// Place is where the tag goes into the spec. Which place is right depends on what rpm makes
// of it: see srpm.Inputs.Carry.
type Place int

const (
	anyPlace  Place = iota // the first that the text has
	inBuildID              // what defines buildid, which Red Hat's kernels put into uname -r, too
	inHint                 // the comment that leaves a place for buildid
	inValue                // where the release's value ends, in a macro of its own perhaps
	inTag                  // the end of the Release line itself
)

// Places are in the order in which they are tried.
var Places = []Place{inBuildID, inHint, inValue, inTag}

// releaseLine is the first line of the main package's Release, -1 without.
func (s *Spec) releaseLine() int {
	if list := s.releaseLines(); list != nil {
		return list[0]
	}
	return -1
}

// releaseLines are the main package's: conditions may choose between several.
func (s *Spec) releaseLines() []int {
	var list []int
	for i, l := range s.lines {
		if l.section == "" && !l.macro && releaseTag.MatchString(l.text) {
			list = append(list, i)
		}
	}
	return list
}

// definitions returns the lines that define a macro, outside of macro bodies.
func (s *Spec) definitions(name string) []int {
	var list []int
	for i, l := range s.lines {
		if m := definition.FindStringSubmatch(l.text); m != nil && m[2] == name && !l.macro && l.section != "changelog" {
			list = append(list, i)
		}
	}
	return list
}

// markRelease appends the tag to the release, at a place that the spec means for it: in
// the kernels of Red Hat's kind that is buildid, as the release goes into uname -r and
// into directories by the same macro. Others follow Release to where its value is.
func (s *Spec) markRelease(tag string, where Place) error {
	if where != anyPlace {
		return s.markAt(tag, where)
	}
	var err error
	for _, where := range Places {
		before := len(s.edits)
		if err = s.markAt(tag, where); err == nil {
			return nil
		}
		s.edits = s.edits[:before]
	}
	return err
}

func (s *Spec) markAt(tag string, where Place) error {
	v := value{ends: map[int]bool{}, changed: map[string]bool{"release": true, "PACKAGE_RELEASE": true}}
	lines := s.releaseLines()
	if lines == nil {
		return s.fail(0, "there is no Release", AdviceNoMark)
	}
	for _, i := range lines {
		if where == inTag {
			v.ends[i] = true
		} else if err := s.follow(i, releaseTag.FindStringSubmatch(s.lines[i].text)[1], &v, 0); err != nil {
			return err
		}
	}
	if where == inBuildID || where == inHint {
		v.changed = map[string]bool{"release": true, "PACKAGE_RELEASE": true, "buildid": true}
		ids := s.definitions("buildid")
		if !v.buildID || where == inBuildID && ids == nil {
			return s.fail(lines[0]+1, "the release has no buildid", AdviceNoMark)
		}
		if where == inHint {
			return s.markHint(tag, v.changed, lines[0])
		}
		clear(v.ends)
		for _, i := range ids {
			v.ends[i] = true
		}
	}
	for i := range s.lines {
		if v.ends[i] {
			if err := s.appendTag(i, tag); err != nil {
				return err
			}
		}
	}
	return s.checkFollowers(v.changed)
}

// markHint defines buildid where a comment leaves the place for it.
func (s *Spec) markHint(tag string, changed map[string]bool, release int) error {
	for i, l := range s.lines {
		if !l.macro && l.section == "" && len(l.within) == 0 && buildIDHint.MatchString(l.text) {
			s.replace(i, fmt.Sprintf("%%define buildid %s", tag))
			return s.checkFollowers(changed)
		}
	}
	return s.fail(release+1, "nothing leaves a place for buildid", AdviceNoMark)
}

// value is what a release consists of.
type value struct {
	ends    map[int]bool    // lines in which it ends
	changed map[string]bool // macros that change with it
	buildID bool            // buildid is in it
}

// follow finds where a value that begins in line i ends: there, or where the one macro
// is defined that it is.
func (s *Spec) follow(i int, text string, v *value, depth int) error {
	v.buildID = v.buildID || usesBuildID.MatchString(text)
	m := onlyMacro.FindStringSubmatch(text)
	if m == nil || depth >= 8 {
		v.ends[i] = true
		return nil
	}
	name, followed := m[1]+m[2], false
	for _, at := range s.definitions(name) {
		line := strings.TrimRight(s.lines[at].text, " \t\r")
		head := definition.FindStringSubmatch(line)
		if head[3] != "" {
			continue // its body is a program, with arguments
		}
		body := strings.TrimPrefix(line, head[0])
		if body == "" {
			return s.fail(at+1, "it defines nothing", AdviceNoMark)
		}
		if err := s.follow(at, body, v, depth+1); err != nil {
			return err
		}
		followed = true
	}
	if followed {
		v.changed[name] = true
	} else {
		v.ends[i] = true
	}
	return nil
}

// maxValue is how many lines the value of a release may span.
const maxValue = 100

// appendTag puts the tag behind the value that begins in line i: rpm reads on while braces
// are open, or behind a backslash.
func (s *Spec) appendTag(i int, tag string) error {
	open, end := 0, i
	for ; ; end++ {
		if end == len(s.lines) || end > i+maxValue {
			return s.fail(i+1, "the release's value has no end", AdviceNoMark)
		}
		text := s.lines[end].text
		if open += balance(text); open <= 0 && !strings.HasSuffix(strings.TrimRight(text, "\r"), `\`) {
			break
		}
	}
	text, head := strings.TrimRight(s.lines[end].text, " \t\r"), ""
	if end == i {
		head = valueHead.FindString(text)
		text = text[len(head):]
	}
	if strings.Contains(text, "#") {
		return s.fail(end+1, "the release's value has a comment", AdviceNoMark)
	}
	if text == "" {
		return s.fail(end+1, "the release's value ends in an empty line", AdviceNoMark)
	}
	// A macro without braces would take the tag for its name's end, or for an argument.
	if m := bareAtEnd.FindStringSubmatchIndex(text); m != nil && (m[4] >= 0 || wordStart.MatchString(tag)) {
		text = text[:m[0]] + "%{" + text[m[2]:] + "}"
	}
	s.replace(end, head+text+tag)
	return nil
}

var (
	wordStart = regexp.MustCompile(`^\w`)
	valueHead = regexp.MustCompile(`(?i)^\s*(Release\s*:|%(define|global)\s+\w+(\([^)]*\))?)\s*`)
)

// checkFollowers refuses a spec whose sources or directories change their names with
// the release: they come from outside and keep theirs.
func (s *Spec) checkFollowers(changed map[string]bool) error {
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
			return s.fail(i+1, "the name of a source follows the release, which the tag changes", AdviceNoMark)
		}
		if l.section == "prep" && setupName.MatchString(l.text) && !hasOption(l.text, 'c') && usesAny(l.text, changed) {
			return s.fail(i+1, "the directory in the tarball follows the release, which the tag changes", AdviceNoMark)
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
