// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"strconv"
	"strings"
)

// rpm's own commands of %prep.
var (
	patchMacro = regexp.MustCompile(`^\s*%\{?patch(\d*)\b`)
	autosetup  = regexp.MustCompile(`^\s*%autosetup\b(.*)$`)
	autopatch  = regexp.MustCompile(`^\s*%autopatch\b(.*)$`)
	setup      = regexp.MustCompile(`^\s*%(?:auto)?setup\b(.*)$`)
	comment    = regexp.MustCompile(`(^|\s)#.*$`)
	// What rpm does in comments, too, which the shell then runs from the second line on.
	commentMacro = regexp.MustCompile(`(?:^|\s)#.*?(%\{?(?:autopatch|autosetup|setup|lua:|expand:)\S*)`)
	endMarker    = regexp.MustCompile(`(?i)^\s*#+\s*END OF PATCH APPLICATION`)
)

// hasOption tells whether a macro's argument line has a one-letter option.
func hasOption(text string, letter byte) bool {
	_, ok := option(text, letter)
	return ok
}

// option returns the value of a one-letter option, glued to it or the next word.
func option(text string, letter byte) (string, bool) {
	words := strings.Fields(text)
	for i, word := range words {
		if len(word) < 2 || word[0] != '-' {
			continue
		}
		at := strings.IndexByte(word[1:], letter)
		if at < 0 || strings.ContainsAny(word[1:1+at], valued) {
			continue // it is part of another option's value
		}
		if rest := word[2+at:]; rest != "" && strings.IndexByte(valued, letter) >= 0 {
			return rest, true
		}
		if i+1 < len(words) && strings.IndexByte(valued, letter) >= 0 {
			return words[i+1], true
		}
		return "", true
	}
	return "", false
}

// valued are the options that take a value.
const valued = "npabdPmMS"

// number reads a plain number; macros in its place are unknown.
func number(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil
}
