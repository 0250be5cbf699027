// SPDX-License-Identifier: Apache-2.0

// Package spec reads, follows and edits RPM spec files as text; it runs nothing of them. It
// evaluates what macros and conditions come to as far as the text tells, follows %prep to the
// trees that %build finds, and edits: one more patch, a mark in the release, what rpm since 4.20 or depmod
// of kmod 34 refuses, what makes dnf and zypper keep older kernels. Where the text does not tell, it says so.
package spec

import (
	"fmt"
	"iter"
	"path"
	"regexp"
	"strings"
)

// Error tells why a spec file cannot be edited safely, and what to do about it.
type Error struct {
	Spec   string // name of the spec file
	Line   int    // 1 for the first line; 0 when it is about the whole file
	Reason string
	Advice string

	without string // the tree that is built, but does not get the patch
}

func (e *Error) Error() string {
	where := e.Spec
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.Spec, e.Line)
	}
	return fmt.Sprintf("edit spec %s: %s; %s", where, e.Reason, e.Advice)
}

// adviceReplace is what remains to do where no safe place is found.
const adviceReplace = "add the patch by hand, or use --spec=replace"

// Spec is a spec file as text, with what can be known about its lines without running it. It
// does not change: what edits returns another one.
type Spec struct {
	name  string
	text  []byte
	err   error // why it cannot be read
	lines []line
	edits []edit // of a draft
	// The last line does not end with a newline: in the original, after the edits.
	noEOL, stillNoEOL bool
}

// line is one line of a spec.
type line struct {
	text    string
	section string   // "" for the preamble of the main package, "prep", "package", ...
	macro   bool     // it is inside the body of a macro definition that spans lines
	within  []string // the %if lines open before it, outermost first
}

// edit replaces the lines from at up to at+remove by others.
type edit struct {
	at, remove int
	insert     []string
}

var (
	sectionStart = regexp.MustCompile(`^%(package|description|prep|generate_buildrequires|conf|build|install|check|clean|files|changelog|patchlist|sourcelist|sepolicy|pre|post|preun|postun|pretrans|posttrans|preuntrans|postuntrans|verifyscript|trigger[a-z]*|filetrigger[a-z]*|transfiletrigger[a-z]*)(\s|$)`)
	ifStart      = regexp.MustCompile(`^\s*%if(arch|narch|os|nos)?(\s|$)`)
	ifElse       = regexp.MustCompile(`^\s*%(else|elif|elifarch|elifos)(\s|$)`)
	ifEnd        = regexp.MustCompile(`^\s*%endif\b`)
	definition   = regexp.MustCompile(`^\s*%(define|global)\s+(\w+)(\([^)]*\))?(\s+|$)`)
	macroBlock   = regexp.MustCompile(`^\s*%\{(expand|lua):`)
)

// Read reads the text of a spec; name is for messages and diffs. Whoever has a Spec need not read
// it again. The error of a text that cannot be read is that of whatever is asked of the Spec: a
// spec that is going to be replaced may have any text.
func Read(name string, text []byte) *Spec {
	s := &Spec{name: path.Base(name), text: text}
	if s.err = s.split(); s.err != nil {
		s.lines = nil
	}
	return s
}

// Name is the bare name of the spec's file, "" for no Spec.
func (s *Spec) Name() string {
	if s == nil {
		return ""
	}
	return s.name
}

// Text is the spec's text, nil for no Spec.
func (s *Spec) Text() []byte {
	if s == nil {
		return nil
	}
	return s.text
}

// Err tells why the spec cannot be read.
func (s *Spec) Err() error { return s.err }

// draft is a copy to edit.
func (s *Spec) draft() (*Spec, error) {
	if s.err != nil {
		return nil, s.err
	}
	d := *s
	return &d, nil
}

// edited is what a draft has become.
func (s *Spec) edited() Edited {
	return Edited{Spec: Read(s.name, s.bytes()), Diff: s.diff(), PatchNumber: -1}
}

// Lines are the spec's, each after the name of its section: "" is the preamble of the main package.
func (s *Spec) Lines() iter.Seq2[string, string] {
	return func(yield func(section, text string) bool) {
		for _, l := range s.lines {
			if !yield(l.section, l.text) {
				return
			}
		}
	}
}

// SectionStart returns which section a line begins.
func SectionStart(line string) (section string, ok bool) {
	if m := sectionStart.FindStringSubmatch(line); m != nil {
		return m[1], true
	}
	return "", false
}

// NoteBuild is the spec with one more line where %build begins.
func (s *Spec) NoteBuild(note string) *Spec {
	d, err := s.draft()
	if err != nil {
		return s
	}
	for i, l := range d.lines {
		if section, ok := SectionStart(l.text); ok && section == "build" && !l.macro {
			d.insert(i+1, note)
		}
	}
	return Read(d.name, d.bytes())
}

// split splits a spec into lines and tells sections, conditions and macro bodies
// apart. The text comes back byte for byte by bytes.
func (s *Spec) split() error {
	text := s.text
	if len(text) == 0 {
		return s.fail(0, "the file is empty", "use the spec of a kernel")
	}
	rows := strings.Split(string(text), "\n")
	if rows[len(rows)-1] == "" {
		rows = rows[:len(rows)-1]
	} else {
		s.noEOL, s.stillNoEOL = true, true
	}
	section, changelog := "", false
	var within []string
	open := 0          // braces still open in a macro body
	continued := false // the line before ends with a backslash, in a macro body
	for i, text := range rows {
		l := line{text: text, macro: open > 0 || continued, within: within}
		starts := definition.MatchString(text) || macroBlock.MatchString(text)
		switch {
		case l.macro || starts:
			open = max(0, open+balance(text))
			continued = strings.HasSuffix(strings.TrimRight(text, "\r"), `\`)
			if changelog {
				// Prose about macros is not a macro.
				open, continued = 0, false
			}
		case ifStart.MatchString(text):
			within = append(within, strings.TrimSpace(text))
		case ifElse.MatchString(text):
			if len(within) == 0 {
				return s.fail(i+1, "%else without %if", adviceReplace)
			}
			// The other branch is another condition.
			within = append(within[:len(within)-1:len(within)-1], "else of "+within[len(within)-1])
		case ifEnd.MatchString(text):
			if len(within) == 0 {
				return s.fail(i+1, "%endif without %if", adviceReplace)
			}
			within = within[: len(within)-1 : len(within)-1]
		default:
			if m := sectionStart.FindStringSubmatch(text); m != nil {
				section = m[1]
				changelog = section == "changelog"
			}
		}
		l.section = section
		s.lines = append(s.lines, l)
	}
	if len(within) > 0 {
		return s.fail(0, fmt.Sprintf("%q has no %%endif", within[len(within)-1]), adviceReplace)
	}
	return nil
}

// balance counts the braces that a line of a macro body opens and does not close.
func balance(text string) int {
	return strings.Count(text, "{") - strings.Count(text, "}")
}

func (s *Spec) fail(line int, reason, advice string) error {
	return &Error{Spec: s.name, Line: line, Reason: reason, Advice: advice}
}

// insert puts lines before line at.
func (s *Spec) insert(at int, lines ...string) {
	if at == len(s.lines) && s.stillNoEOL {
		s.replace(at-1, s.lines[at-1].text)
		s.stillNoEOL = false
	}
	s.edits = append(s.edits, edit{at: at, insert: lines})
}

// replace puts another text in the place of line at.
func (s *Spec) replace(at int, text string) {
	s.edits = append(s.edits, edit{at: at, remove: 1, insert: []string{text}})
}

// bytes returns the spec with its edits.
func (s *Spec) bytes() []byte {
	var b strings.Builder
	write := func(text string) {
		b.WriteString(text)
		b.WriteByte('\n')
	}
	next := 0
	for _, e := range sorted(s.edits) {
		for ; next < e.at; next++ {
			write(s.lines[next].text)
		}
		for _, text := range e.insert {
			write(text)
		}
		next += e.remove
	}
	for ; next < len(s.lines); next++ {
		write(s.lines[next].text)
	}
	text := b.String()
	if s.stillNoEOL {
		text = strings.TrimSuffix(text, "\n")
	}
	return []byte(text)
}

// afterConditions returns the first line after i that is under no %if.
func (s *Spec) afterConditions(i int) int {
	at := i + 1
	for len(s.lines[i].within) > 0 && at < len(s.lines) && len(s.lines[at].within) > 0 {
		at++
	}
	return at
}
