// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// gnuFuzz is what patch(1) allows where it is not told; %patch tells it, git allows none.
const gnuFuzz = 2

func digits(n int) string { return strconv.Itoa(n) }

// defaultFuzz is what rpm's own macros allow.
func (r *specReader) defaultFuzz() (fuzz int, unknown string) {
	n, ok := number(strings.TrimSpace(r.macros.expand("%{_default_patch_fuzz}")))
	if !ok {
		return 0, "_default_patch_fuzz"
	}
	return n, ""
}

// tagged returns a declared patch with the options of how.
func (r *specReader) tagged(n int, how Carried) Carried {
	how.Number = n
	for _, d := range r.declared {
		if d.number == n {
			how.File = d.file
			how.Unknown = firstOf(d.unknown, how.Unknown)
			return how
		}
	}
	how.Unknown = firstOf(how.Unknown, "Patch"+digits(n)+", which no line that is read declares")
	return how
}

// patchMacro reads %patch5 -p1 in its forms.
func (r *specReader) patchMacro(text string) []Carried {
	how := Carried{}
	how.Fuzz, how.Unknown = r.defaultFuzz()
	m := patchMacro.FindStringSubmatch(text)
	rest := strings.TrimLeft(text[len(m[0]):], "}")
	words := strings.Fields(r.macros.expand(comment.ReplaceAllString(rest, "")))
	var numbers []int
	take := func(text string) int {
		n, ok := number(text)
		if !ok {
			how.Unknown = firstOf(how.Unknown, "the options of "+strings.TrimSpace(rest))
		}
		return n
	}
	if m[1] != "" {
		numbers = append(numbers, take(m[1]))
	}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word[0] != '-' {
			numbers = append(numbers, take(word))
			continue
		}
		value := word[min(2, len(word)):]
		if len(word) >= 2 && strings.IndexByte("PpFbzdo", word[1]) >= 0 && value == "" && len(words) > 0 {
			value, words = words[0], words[1:]
		}
		switch word[:min(2, len(word))] {
		case "-P":
			numbers = append(numbers, take(value))
		case "-p":
			how.Strip = take(value)
		case "-F":
			how.Fuzz = take(value)
		case "-R":
			how.Reverse = true
		case "-d": // the walk follows it
		case "-o":
			how.Unknown = firstOf(how.Unknown, "what "+word+" does")
		}
	}
	if len(numbers) == 0 {
		numbers = []int{0}
	}
	var list []Carried
	for _, n := range numbers {
		list = append(list, r.tagged(n, how))
	}
	return list
}

// shellApply reads ApplyPatch and ApplyOptionalPatch.
func (r *specReader) shellApply(text string) []Carried {
	f := shellCall.FindStringSubmatch(text)
	if f == nil {
		return []Carried{{Number: -1, Unknown: strings.TrimSpace(text)}}
	}
	words := strings.Fields(comment.ReplaceAllString(f[2], ""))
	if len(words) == 0 {
		return []Carried{{Number: -1, Unknown: strings.TrimSpace(text)}}
	}
	how := r.options(r.program + " " + strings.Join(words[1:], " "))
	how.Optional = f[1] == "ApplyOptionalPatch"
	return []Carried{r.named(strings.Trim(words[0], `"'`), how)}
}

// shellCall is a call of Red Hat's functions, which may stand in another command's line.
var shellCall = regexp.MustCompile(`\b(ApplyPatch|ApplyOptionalPatch)\s+([^;&|\n]*)`)

// named returns a patch that is applied by the name of its file.
func (r *specReader) named(file string, how Carried) Carried {
	how.Number, how.File = -1, path.Base(file)
	if strings.ContainsAny(how.File, "$%"+unknownText) {
		how.File = ""
	}
	for _, d := range r.declared {
		if d.file == how.File {
			how.Number = d.number
		}
	}
	return how
}

var (
	stripOption   = regexp.MustCompile(`\s-p\s*(\d+)`)
	fuzzOption    = regexp.MustCompile(`\s(?:-F\s*|--fuzz[= ])(\d+)`)
	reverseOption = regexp.MustCompile(`\s(-R|--reverse)\b`)
	gitProgram    = regexp.MustCompile(`\b(__)?git\b`)
)

// options reads those of patch(1) and of git in a command. The last one of a kind counts.
func (r *specReader) options(command string) Carried {
	how := Carried{Fuzz: gnuFuzz, Strip: -1, Reverse: reverseOption.MatchString(command)}
	if gitProgram.MatchString(command) {
		how.Fuzz, how.Strip = 0, 1
	}
	last := func(option *regexp.Regexp, value *int) {
		if all := option.FindAllStringSubmatch(command, -1); len(all) > 0 {
			*value, _ = number(all[len(all)-1][1])
		}
	}
	last(stripOption, &how.Strip)
	last(fuzzOption, &how.Fuzz)
	if how.Strip < 0 {
		how.Strip, how.Unknown = 0, "a patch command without -p"
	}
	return how
}

// automatic reads the options of %autosetup and %autopatch.
func (r *specReader) automatic(text string) Carried {
	how := Carried{}
	how.Fuzz, how.Unknown = r.defaultFuzz()
	scm, ok := option(text, 'S')
	if !ok {
		scm = strings.TrimSpace(r.macros.expand("%{?__scm}"))
	}
	if strings.HasPrefix(scm, "git") {
		how.Fuzz = 0
	}
	strip, _ := option(text, 'p')
	if how.Strip, ok = number(strip); !ok {
		how.Unknown = firstOf(how.Unknown, "a patch command without -p")
	}
	return how
}

// all returns the declared patches that a line which takes many takes: those that it
// numbers, those within its bounds, or all.
func (r *specReader) all(text string, how Carried) []Carried {
	text = r.macros.expand(text)
	low, high := 0, lastPatch*1000
	var list []Carried
	bound := func(letter byte, value *int) {
		if t, given := option(text, letter); given && autopatch.MatchString(text) {
			n, ok := number(t)
			if !ok {
				how.Unknown = firstOf(how.Unknown, "the bounds of its numbers")
				return
			}
			*value = n
		}
	}
	bound('m', &low)
	bound('M', &high)
	if m := autopatch.FindStringSubmatch(text); m != nil {
		words := strings.Fields(m[1])
		for i, word := range words {
			if n, ok := number(word); ok && (i == 0 || !slices.Contains([]string{"-m", "-M", "-p"}, words[i-1])) {
				list = append(list, r.tagged(n, how))
			}
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, d := range r.declared {
		if d.number >= low && d.number <= high {
			list = append(list, r.tagged(d.number, how))
		}
	}
	return list
}
