// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
)

// Injection is what goes into a spec.
type Injection struct {
	PatchFile string // bare name of the patch, which applies with -p1
	Tag       string // appended to Release, as ".lustre1"; "" leaves Release alone
	Author    string // of the changelog entry, "Name <address>"
	Date      time.Time
	Changes   []string // the entry's lines, without their dashes

	place place // of the tag
}

// Edited is a spec that carries the patch.
type Edited struct {
	Text        []byte
	Diff        string // unified, against the original
	PatchNumber int    // N of PatchN; -1 in a %patchlist
	How         string // how %prep applies it, for people
	// Mail says that %prep applies patches by git am, which takes nothing but mails.
	Mail bool
}

var (
	tagSyntax  = regexp.MustCompile(`^[A-Za-z0-9._+~^]*$`)
	nameSyntax = regexp.MustCompile(`^[A-Za-z0-9._+-]+$`)
)

// CheckTag refuses what a Release cannot be marked with.
func CheckTag(tag string) error {
	if !tagSyntax.MatchString(tag) {
		return fmt.Errorf("%q cannot be part of a release: use letters, digits and dots", tag)
	}
	return nil
}

// Inject edits a spec file so that it carries one more patch: declared with the next
// free number, applied in %prep as the spec applies its others, Release marked, a
// %changelog entry, and nothing else touched. name is the spec's name for messages and
// the diff. The spec is treated as text and never run; where its text does not show a
// place that is right in any case, the error is a *SpecError.
func Inject(name string, text []byte, in Injection) (Edited, error) {
	if !nameSyntax.MatchString(in.PatchFile) {
		return Edited{}, fmt.Errorf("edit spec %s: %q is no name for a patch: use letters, digits, dots and dashes", name, in.PatchFile)
	}
	if err := CheckTag(in.Tag); err != nil {
		return Edited{}, fmt.Errorf("edit spec %s: %w", name, err)
	}
	s, err := parseSpec(path.Base(name), text)
	if err != nil {
		return Edited{}, err
	}
	p, err := s.readPrep()
	if err != nil {
		return Edited{}, err
	}
	if err := s.shows(p); err != nil {
		return Edited{}, err
	}
	declared, err := s.declared()
	if err != nil {
		return Edited{}, err
	}
	for _, d := range declared.patches {
		if path.Base(d.file) == in.PatchFile {
			return Edited{}, s.fail(d.line+1, "it carries "+in.PatchFile+" already", "give the original source package")
		}
	}
	e := Edited{PatchNumber: s.declare(declared, in.PatchFile)}
	if e.How, e.Mail, err = s.apply(p, declared, e.PatchNumber, in.PatchFile); err != nil {
		return Edited{}, err
	}
	if in.Tag != "" {
		if err := s.markRelease(in.Tag, in.place); err != nil {
			return Edited{}, err
		}
	}
	if len(in.Changes) > 0 {
		s.addChangelog(in)
	}
	e.Text, e.Diff = s.bytes(), s.diff()
	return e, nil
}

var (
	includes = regexp.MustCompile(`^\s*%(?:include\s+\S+|\{load:.*)`)
	luaStart = regexp.MustCompile(`%\{lua:`)
)

// shows refuses a spec whose text does not show which patches it has and what %prep does.
func (s *spec) shows(p *prep) error {
	for i, l := range s.lines {
		if m := includes.FindString(l.text); m != "" && l.section != "changelog" {
			return s.fail(i+1, "what "+strings.TrimSpace(m)+" declares and applies is not in the spec's text", "put the text in its place, or use --spec=replace")
		}
		if l.section == "prep" && !l.macro && luaStart.MatchString(strings.SplitN(l.text, "#", 2)[0]) {
			return s.fail(i+1, "what Lua makes in %prep is known only where it is run", adviceReplace)
		}
	}
	switch {
	case p.hidden >= 0:
		return s.fail(p.hidden+1, p.why, adviceReplace)
	case p.ended >= 0:
		return s.fail(p.ended+1, p.end0+", so that what comes later may not run", adviceReplace)
	case p.again >= 0:
		return s.fail(p.again+1, "%setup unpacks again, or another tree, after the kernel's was there, and %build may begin in that one", adviceReplace)
	}
	return nil
}

// apply makes %prep apply the patch, and says how.
func (s *spec) apply(p *prep, d declarations, n int, file string) (how string, mail bool, err error) {
	var last *application
	for i := range p.applied {
		a := &p.applied[i]
		all, err := s.appliesAll(a, n)
		if err != nil {
			return "", false, err
		}
		if all {
			if cond, odd := s.uncommon(a.line); odd {
				return "", false, s.fail(a.line+1, fmt.Sprintf("patches are applied only under %q", cond), adviceReplace)
			}
			mail := a.style == styleGitAm || strings.Contains(a.text, "git_am") || strings.Contains(a.text, "git am")
			return strings.TrimSpace(a.text) + " applies it with all others", mail, nil
		}
	}
	if d.list >= 0 {
		return "", false, s.fail(d.list+1, "there is a %patchlist, but nothing applies all patches", adviceReplace)
	}
	at := p.marker
	for i := range p.applied {
		if a := &p.applied[i]; at < 0 || a.line < at {
			if next := s.safeAfter(p, a.line); next >= 0 {
				last = a
			}
		}
	}
	command := fmt.Sprintf("%%patch -P %d -p1", n)
	if last != nil {
		command = s.inStyle(p, last, n, file)
	}
	blank := []string(nil)
	switch {
	case last != nil && isPlaceholder(last.text) && len(s.lines[last.line].within) == 0 && p.safe[last.line-p.first]:
		at, blank = last.line, []string{""}
	case at >= 0:
		blank = []string{""}
	case last != nil:
		at = s.safeAfter(p, last.line)
	case len(p.applied) > 0:
		return "", false, s.fail(p.applied[0].line+1, "the patches are applied where it cannot be told whether the next command runs, or where", adviceReplace)
	default:
		if at = s.safeAfter(p, p.first-1); at < 0 {
			return "", false, s.fail(p.first, "%prep shows no place that is surely in the top directory of the kernel tree", adviceReplace)
		}
	}
	s.insert(at, append([]string{command}, blank...)...)
	return command, false, nil
}

// isPlaceholder tells Red Hat's empty patch, which is applied last by custom.
func isPlaceholder(text string) bool {
	return strings.Contains(text, "linux-kernel-test.patch") || strings.Contains(text, "PATCH999999")
}

// safeAfter gives the first line after i before which a command runs once, always, and
// in the tree, which may be the end of %prep; -1 without.
func (s *spec) safeAfter(p *prep, i int) int {
	for at := i + 1; at <= p.end; at++ {
		if p.safe[at-p.first] {
			return at
		}
	}
	return -1
}

// uncommon tells a condition other than those that mean: a kernel without any patches.
func (s *spec) uncommon(i int) (string, bool) {
	for _, condition := range s.lines[i].within {
		if !strings.Contains(condition, "nopatches") && !strings.Contains(condition, "vanilla") {
			return condition, true
		}
	}
	return "", false
}

// choosing is what leaves out some patches of a loop.
var choosing = regexp.MustCompile(`(?m)\b(if|case|continue|break|grep|head|tail|sed)\b|&&|\|\|`)

// appliesAll tells whether an application takes patch n without being told.
func (s *spec) appliesAll(a *application, n int) (bool, error) {
	switch a.style {
	case styleGitAm, stylePatchesAll:
		text := s.loopText(a.line)
		strip := stripOption.FindStringSubmatch(text)
		if strip != nil && strip[1] != "1" || strip == nil && !gitProgram.MatchString(text) || reverseOption.MatchString(text) || choosing.MatchString(text) {
			return false, s.fail(a.line+1, "it is not certain that this applies every patch, with -p1", adviceReplace)
		}
		return true, nil
	case styleAutosetup, styleAutopatch:
		if strip, ok := option(a.text, 'p'); !ok || strip != "1" {
			return false, s.fail(a.line+1, "it applies this patch with another option than -p1", adviceReplace)
		}
	default:
		return false, nil
	}
	if a.style == styleAutosetup {
		return true, nil
	}
	low, high := 0, lastPatch*1000
	for _, bound := range []struct {
		letter byte
		value  *int
	}{{'m', &low}, {'M', &high}} {
		text, ok := option(a.text, bound.letter)
		if !ok {
			continue
		}
		if *bound.value, ok = number(text); !ok {
			return false, s.fail(a.line+1, "it applies a range of patches whose bounds are macros", adviceReplace)
		}
	}
	return n >= low && n <= high, nil
}

var (
	shellMacro = regexp.MustCompile(`^\s*\w+\s+"?%\{?P(ATCH)?\d`)
)

// inStyle writes the command that applies patch n as the spec applies its others.
func (s *spec) inStyle(p *prep, a *application, n int, file string) string {
	switch {
	case a.style == styleShell:
		// ApplyOptionalPatch leaves out what is shorter than ten lines.
		function := "ApplyOptionalPatch"
		if p.functions["ApplyPatch"] {
			function = "ApplyPatch"
		}
		if shellMacro.MatchString(a.text) {
			file = fmt.Sprintf("%%{PATCH%d}", n)
		}
		return function + " " + file
	}
	// The one form that every rpm takes: 4.20 knows %patch5 no more.
	return fmt.Sprintf("%%patch -P %d -p1", n)
}
