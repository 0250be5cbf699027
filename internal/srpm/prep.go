// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"regexp"
	"strconv"
	"strings"
)

// prep is what %prep does, as far as it can be told without running it.
type prep struct {
	first, end int // its lines, without the section's own
	// safe tells for each line from first on, and for the end, whether a command before it would run once,
	// always, and in the top directory of the unpacked kernel tree.
	safe    []bool
	applied []application
	marker  int // line of "END OF PATCH APPLICATIONS", -1 without
	// hidden is the first line that does what the text does not show, with the reason; -1
	// without. ended is the same for one at which %prep may end, again for a second %setup.
	hidden, ended, again int
	why, end0            string
	// functions are the shell functions that apply patches in kernels of Red Hat's kind.
	functions map[string]bool
}

// application is a line that applies patches.
type application struct {
	line  int
	style style
	text  string
}

// style is how a spec applies its patches.
type style int

const (
	stylePatch      style = iota // %patch5, %patch 5, %patch -P 5
	styleShell                   // ApplyPatch linux-2.6-foo.patch
	styleAutosetup               // %autosetup applies all patches that are declared
	styleAutopatch               // %autopatch applies all, or a range
	styleGitAm                   // git am %{patches}
	stylePatchesAll              // some other use of %{patches} by patch or git apply
	stylePlain                   // patch or git apply with a file of any name
)

var (
	patchMacro   = regexp.MustCompile(`^\s*%\{?patch(\d*)\b`)
	shellApply   = regexp.MustCompile(`^\s*(ApplyPatch|ApplyOptionalPatch)\s+\S`)
	shellDefine  = regexp.MustCompile(`^\s*(?:function\s+)?([A-Za-z_]\w*)\s*\(\)\s*(.*)$`)
	autosetup    = regexp.MustCompile(`^\s*%autosetup\b(.*)$`)
	autopatch    = regexp.MustCompile(`^\s*%autopatch\b(.*)$`)
	setup        = regexp.MustCompile(`^\s*%(?:auto)?setup\b(.*)$`)
	allPatches   = regexp.MustCompile(`%\{?patches\}?`)
	applyProgram = regexp.MustCompile(`\b(patch\s+-|git\s+(am|apply)\b|\$patch_command)`)
	loopStart    = regexp.MustCompile(`^\s*for\s+\w+\s+in\s.*%\{?patches\}?`)
	plainApply   = regexp.MustCompile(`(?:^|[\s;&|(/}])(?:patch|%\{__patch\})\s+-|\bgit\s(?:.*\s)?(?:am|apply)\b|\bquilt\s+(?:.*\s)?push\b|\$\{?patch_command\b|apply[-_]patches`)
	patternLoop  = regexp.MustCompile(`\bfor\s+\w+\s+in\s.*[*?]|\b(?:ls|find)\s.*\|`)
	patternWord  = regexp.MustCompile(`\*\S*\b(?:patch|diff)\b|\.d/\*|/\*(?:\s|$)`)
	loopEnd      = regexp.MustCompile(`(?m)(^|;)\s*done\b`)
	endMarker    = regexp.MustCompile(`(?i)^\s*#+\s*END OF PATCH APPLICATION`)
	hereDocument = regexp.MustCompile(`<<-?\s*["'\\]?([A-Za-z_]\w*)`)
	quoted       = regexp.MustCompile(`'[^']*'|"(?:[^"\\]|\\.)*"`)
	comment      = regexp.MustCompile(`(^|\s)#.*$`)
	segments     = regexp.MustCompile(`;|&&|\|\||\|`)
	bracedMacro  = regexp.MustCompile(`%\{[^}]*\}`)
	pipeline     = regexp.MustCompile(`[^|]\|[^|]`)
	commentMacro = regexp.MustCompile(`(?:^|\s)#.*?(%\{?(?:autopatch|autosetup|setup|lua:|expand:)\S*)`)
	concealing   = regexp.MustCompile(`^\s*(?:[^#]*(?:;|&&|\|\||\bthen|\bdo)\s*)?((?:eval|source|\.|trap|alias|shopt\s+-s\s+lastpipe)\s|%include\b.*|%\{(?:lua|expand|load):.*|%\{?(?:apply_patches|patches_apply|apply_all_patches)\b|%\(.*)`)
)

// readPrep finds %prep and follows it line by line.
func (s *spec) readPrep() (*prep, error) {
	p := &prep{first: -1, marker: -1, hidden: -1, ended: -1, again: -1, functions: map[string]bool{}}
	for i, l := range s.lines {
		if l.section != "prep" || l.macro {
			continue
		}
		if p.first < 0 {
			p.first = i + 1
		}
		p.end = i + 1
	}
	if p.first < 0 {
		return nil, s.fail(0, "there is no %prep section", adviceReplace)
	}
	w := walker{depth: buildDirectory}
	for i := p.first; i < p.end; i++ {
		l := s.lines[i]
		p.safe = append(p.safe, w.safe(l))
		if l.macro {
			continue
		}
		inCode := w.inCode()
		if endMarker.MatchString(l.text) && w.safe(l) && p.marker < 0 {
			p.marker = i
		}
		if m := shellDefine.FindStringSubmatch(l.text); m != nil && inCode {
			p.functions[m[1]] = true
		}
		if st, ok := applies(l.text); ok && inCode {
			p.applied = append(p.applied, application{line: i, style: st, text: l.text})
		}
		if trimmed := strings.TrimSpace(l.text); inCode && !strings.HasPrefix(trimmed, "#") {
			if patternLoop.MatchString(l.text) && s.loopApplies(i, p.end) || plainApply.MatchString(l.text) && patternWord.MatchString(l.text) {
				return nil, s.fail(i+1, "it applies whatever patches a pattern finds, which may be ours, too", adviceReplace)
			}
			if _, ok := applies(l.text); !ok && plainApply.MatchString(l.text) && !patchCommand.MatchString(l.text) {
				p.applied = append(p.applied, application{line: i, style: stylePlain, text: l.text})
			}
		}
		if loopStart.MatchString(l.text) && inCode && s.loopApplies(i, p.end) {
			p.applied = append(p.applied, application{line: i, style: stylePatchesAll, text: l.text})
		}
		if n := len(l.within); n > 0 && strings.HasPrefix(l.within[n-1], "else of") && setup.MatchString(l.text) {
			w.entered = "" // the tree of the branch before is not there in this one
		}
		w.within = len(l.within) > 0
		w.line(l.text)
		if w.hidden != "" && p.hidden < 0 {
			p.hidden, p.why = i, w.hidden
		}
		if w.ended != "" && p.ended < 0 {
			p.ended, p.end0 = i, w.ended
		}
		if w.again && p.again < 0 {
			p.again = i
		}
	}
	p.safe = append(p.safe, w.safe(line{}))
	return p, nil
}

// loopApplies tells whether the shell loop that begins at line i applies patches.
func (s *spec) loopApplies(i, end int) bool {
	for ; i < end; i++ {
		text := s.lines[i].text
		if applyProgram.MatchString(text) || shellApply.MatchString(text) {
			return true
		}
		if loopEnd.MatchString(text) {
			return false
		}
	}
	return false
}

// applies tells whether a line applies patches, and how.
func applies(text string) (style, bool) {
	switch {
	case patchMacro.MatchString(text):
		return stylePatch, true
	case shellApply.MatchString(text):
		return styleShell, true
	case autopatch.MatchString(text):
		return styleAutopatch, true
	case autosetup.MatchString(text):
		return styleAutosetup, !hasOption(text, 'N')
	case strings.HasPrefix(strings.TrimSpace(text), "#"):
		return 0, false
	case allPatches.MatchString(text) && strings.Contains(text, "git am"):
		return styleGitAm, true
	case allPatches.MatchString(text) && applyProgram.MatchString(text):
		return stylePatchesAll, true
	}
	return 0, false
}

// hasOption tells whether a macro's argument line has a one-letter option.
func hasOption(text string, letter byte) bool {
	_, ok := option(text, letter)
	return ok
}

// option gives the value of a one-letter option, glued to it or the next word.
func option(text string, letter byte) (string, bool) {
	words := strings.Fields(text)
	for i, word := range words {
		if len(word) < 2 || word[0] != '-' {
			continue
		}
		at := strings.IndexByte(word[1:], letter)
		if at < 0 || strings.ContainsAny(word[1:1+at], "npabPmMS") {
			continue // it is part of another option's value
		}
		if rest := word[2+at:]; rest != "" {
			return rest, true
		}
		if i+1 < len(words) && strings.IndexByte("npabPmMS", letter) >= 0 {
			return words[i+1], true
		}
		return "", true
	}
	return "", false
}

// number reads a plain number; macros in its place are unknown.
func number(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil
}
