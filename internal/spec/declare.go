// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"regexp"
	"strings"
)

// Patches numbered from here on are placeholders that come last by custom.
const lastPatch = 99999

// declarations are a spec's patches.
type declarations struct {
	patches []declaration
	sources []int // lines of SourceN
	list    int   // line of %patchlist, -1 without
	highest int   // patch number in use below lastPatch, -1 without
	used    []int // numbers of patches, of those that are commented out, too
}

type declaration struct {
	line   int
	number int // -1 for a patch without number
	file   string
	gap    string // between the colon and the file
}

var (
	patchTag  = regexp.MustCompile(`(?i)^\s*Patch(\d*)\s*:(\s*)(\S.*?)\s*$`)
	oddPatch  = regexp.MustCompile(`(?i)^\s*Patch[^\s:]*%[^\s:]*\s*:`)
	oldPatch  = regexp.MustCompile(`(?i)^\s*#+\s*Patch(\d+)\s*:`)
	sourceTag = regexp.MustCompile(`(?i)^\s*Source\d*\s*:\s*(\S.*?)\s*$`)
)

func (s *Spec) declared() (declarations, error) {
	d := declarations{list: -1, highest: -1}
	use := func(n int) {
		d.used = append(d.used, n)
		if n < lastPatch && n > d.highest {
			d.highest = n
		}
	}
	for i, l := range s.lines {
		if l.section == "patchlist" {
			if d.list < 0 {
				d.list = i
			}
			d.patches = append(d.patches, declaration{line: i, number: -1, file: strings.TrimSpace(l.text)})
		}
		if l.macro || l.section != "" && l.section != "package" {
			continue
		}
		if oddPatch.MatchString(l.text) {
			return d, s.fail(i+1, "the number of a patch is a macro", adviceReplace)
		}
		if m := patchTag.FindStringSubmatch(l.text); m != nil {
			n, ok := number(m[1])
			if !ok {
				n = -1
				// rpm counts these on by itself; every one may take a number.
				d.highest++
			}
			use(n)
			d.patches = append(d.patches, declaration{line: i, number: n, file: m[3], gap: m[2]})
		} else if m := oldPatch.FindStringSubmatch(l.text); m != nil {
			// A number that was in use once is left alone.
			if n, ok := number(m[1]); ok {
				use(n)
			}
		} else if sourceTag.MatchString(l.text) {
			d.sources = append(d.sources, i)
		}
	}
	return d, nil
}

// next is the number that a further patch gets.
func (d declarations) next() int { return max(d.highest+1, 1) }

// declare adds the PatchN line, behind the patches with lower numbers.
func (s *Spec) declare(d declarations, n int, file string) {
	if d.list >= 0 {
		at := d.list + 1
		for i := at; i < len(s.lines) && s.lines[i].section == "patchlist"; i++ {
			if strings.TrimSpace(s.lines[i].text) != "" {
				at = i + 1
			}
		}
		s.insert(at, file)
		return
	}
	after, before, gap := -1, -1, " "
	for _, p := range d.patches {
		if p.number >= lastPatch {
			if before < 0 && len(s.lines[p.line].within) == 0 {
				before = p.line
			}
			continue
		}
		if p.number < n {
			after, gap = p.line, p.gap
		}
	}
	text := fmt.Sprintf("Patch%d:%s%s", n, gap, file)
	switch {
	case after >= 0:
		s.insert(s.afterConditions(after), text)
	case before >= 0:
		s.insert(s.aboveComment(before), text, "")
	case len(d.sources) > 0:
		s.insert(s.afterConditions(d.sources[len(d.sources)-1]), text)
	default:
		// A spec without sources: beside the release, which every spec has.
		s.insert(s.afterConditions(max(0, s.releaseLine())), text)
	}
}

// aboveComment returns the line at which the comment above line i begins.
func (s *Spec) aboveComment(i int) int {
	for i > 0 && strings.HasPrefix(s.lines[i-1].text, "#") {
		i--
	}
	return i
}
