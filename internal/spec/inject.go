// SPDX-License-Identifier: Apache-2.0

package spec

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
	Place     Place    // of the tag; the zero value is the first that the text has
}

// Edited is a spec that carries the patch.
type Edited struct {
	Spec        *Spec
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

// IsName tells whether a file may be called so in a spec, without its directory.
func IsName(name string) bool { return nameSyntax.MatchString(name) }

// CheckTag refuses what a Release cannot be marked with.
func CheckTag(tag string) error {
	if !tagSyntax.MatchString(tag) {
		return fmt.Errorf("%q cannot be part of a release: use letters, digits and dots", tag)
	}
	return nil
}

// Inject edits a spec file so that it carries one more patch: declared with the next
// free number, applied in %prep as the spec applies its others, Release marked, a
// %changelog entry, and nothing else touched. Where the spec's text does not show a place
// that is right in any case, the error is an *Error.
func (s *Spec) Inject(in Injection) (Edited, error) {
	if !nameSyntax.MatchString(in.PatchFile) {
		return Edited{}, fmt.Errorf("edit spec %s: %q is not a name for a patch: use letters, digits, dots and dashes", s.name, in.PatchFile)
	}
	if err := CheckTag(in.Tag); err != nil {
		return Edited{}, fmt.Errorf("edit spec %s: %w", s.name, err)
	}
	s, err := s.draft()
	if err != nil {
		return Edited{}, err
	}
	p, err := s.readPrep(anyBuild(), in.PatchFile, nowhere)
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
			return Edited{}, s.fail(d.line+1, "it carries "+in.PatchFile+" already", "use the original source package")
		}
	}
	spot, err := s.spot(p, declared, in.PatchFile)
	if err != nil {
		return Edited{}, err
	}
	s.declare(declared, spot.number, in.PatchFile)
	if spot.command != "" {
		s.insert(spot.line, append([]string{spot.command}, spot.blank...)...)
	}
	if in.Tag != "" {
		if err := s.asksRelease(p); err != nil {
			return Edited{}, err
		}
		if err := s.markRelease(in.Tag, in.Place); err != nil {
			return Edited{}, err
		}
	}
	if len(in.Changes) > 0 {
		s.addChangelog(in)
	}
	edited := s.edited()
	edited.PatchNumber, edited.How, edited.Mail = spot.number, spot.how, spot.mail
	return edited, nil
}

var (
	includes = regexp.MustCompile(`^\s*%(?:include\s+\S+|\{load:.*)`)
	luaStart = regexp.MustCompile(`%\{lua:`)
)

// shows refuses a spec whose text does not show which patches it has and what %prep does.
func (s *Spec) shows(p *prep) error {
	for i, l := range s.lines {
		if m := includes.FindString(l.text); m != "" && l.section != "changelog" {
			return s.fail(i+1, "what "+strings.TrimSpace(m)+" declares and applies is not in the spec's text", "put the text in its place, or use --spec=replace")
		}
		if l.section == "prep" && !l.macro && luaStart.MatchString(strings.SplitN(l.text, "#", 2)[0]) {
			return s.fail(i+1, "what Lua makes in %prep is known only where it is run", adviceReplace)
		}
	}
	switch {
	case p.hidden.why != "":
		return s.fail(p.hidden.line+1, p.hidden.why, adviceReplace)
	case p.pattern.why != "":
		return s.fail(p.pattern.line+1, p.pattern.why, adviceReplace)
	case p.ended.why != "":
		return s.fail(p.ended.line+1, p.ended.why+", so that what comes later may not run", adviceReplace)
	case p.again.why != "":
		return s.fail(p.again.line+1, p.again.why, adviceReplace)
	}
	return nil
}

// asksRelease refuses a %prep that does different things for different releases, as the
// tag changes the release.
func (s *Spec) asksRelease(p *prep) error {
	changed := map[string]bool{"release": true, "PACKAGE_RELEASE": true}
	for _, i := range s.releaseLines() {
		if m := onlyMacro.FindStringSubmatch(releaseTag.FindStringSubmatch(s.lines[i].text)[1]); m != nil {
			changed[m[1]+m[2]] = true
		}
	}
	for i := p.first; i < p.end; i++ {
		if l := s.lines[i]; !l.macro && textTest.MatchString(comment.ReplaceAllString(l.text, "")) && usesAny(l.text, changed) {
			return s.fail(i+1, "what %prep does depends on the release, which the tag changes", AdviceNoMark)
		}
	}
	return nil
}

// textTest is a test of the shell for what a text is.
var textTest = regexp.MustCompile(`(\[|\btest)\s.*\s(=|==|!=|=~)\s|^\s*case\s`)
