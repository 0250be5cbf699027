// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// depmodCall is a call of depmod where a command stands, and its arguments on that line.
	depmodCall = regexp.MustCompile(`((?:^|[;&|({]|\b(?:then|else|do)\s)\s*(?:(?:/usr)?/sbin/|%\{_sbindir\}/)?depmod)((?:\s+[^\s;&|()<>\\` + "`" + `]+)+)`)
	argument   = regexp.MustCompile(`\s+\S+`)
	// installsModules is a call of make that has the tree's makefile call depmod.
	installsModules = regexp.MustCompile(`(^|\s)modules_install(\s|$)`)
	setsDepmod      = regexp.MustCompile(`(^|\s)(DEPMOD|depmod_opts|cmd_depmod)=`)
)

// What depmod of kmod took up to 33 without doing anything, as "Ignored deprecated option": of those, -m has a
// meaning now, and stays.
const oldDepmodOptions = "qru"

var oldDepmodWords = map[string]bool{"--root": true, "--quiet": true, "--unresolved-error": true}

// depmodValues are the options whose value is the rest of the word, or the next one.
const depmodValues = "bCEFmoP"

// withoutOldOptions takes the options that kmod 34 refuses out of a line's calls of depmod.
func withoutOldOptions(text string) string {
	return depmodCall.ReplaceAllStringFunc(text, func(call string) string {
		m := depmodCall.FindStringSubmatch(call)
		if slices.ContainsFunc(strings.Fields(m[2]), cutQuote) {
			return call
		}
		value := false
		return m[1] + argument.ReplaceAllStringFunc(m[2], func(arg string) string {
			word := strings.TrimSpace(arg)
			switch {
			case value:
				value = false
				return arg
			case oldDepmodWords[word]:
				return ""
			case word == "-" || !strings.HasPrefix(word, "-") || strings.HasPrefix(word, "--"):
				return arg
			}
			at := strings.IndexAny(word, depmodValues)
			value = at == len(word)-1
			if at < 0 {
				at = len(word)
			}
			kept := strings.Map(func(r rune) rune {
				if strings.ContainsRune(oldDepmodOptions, r) {
					return -1
				}
				return r
			}, word[:at]) + word[at:]
			if kept == "-" {
				return ""
			}
			return strings.TrimSuffix(arg, word) + kept
		})
	})
}

// cutQuote tells whether a word ends in the middle of what quotes hold together.
func cutQuote(word string) bool {
	return strings.Count(word, `"`)%2 != 0 || strings.Count(word, "'")%2 != 0
}

// InstallsModules returns the first line, 0 for none, at which the spec has the kernel's own makefile install its
// modules, and does not say itself how depmod is called.
func (s *Spec) InstallsModules() (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	command, start := "", 0
	for i, l := range s.lines {
		if l.section != "build" && l.section != "install" || strings.HasPrefix(strings.TrimSpace(l.text), "#") {
			command = ""
			continue
		}
		if command == "" {
			start = i + 1
		}
		command += l.text
		if before, goesOn := strings.CutSuffix(command, "\\"); goesOn {
			command = before
			continue
		}
		if installsModules.MatchString(command) && !setsDepmod.MatchString(command) {
			return start, nil
		}
		command = ""
	}
	return 0, nil
}
