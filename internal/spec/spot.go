// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// spot is how the spec comes to apply our patch.
type spot struct {
	number  int    // of the patch; -1 in a %patchlist
	command string // "" where the spec applies it with its others
	in      string // the directory that the command is told by -d
	line    int    // before which the command goes in
	blank   []string
	how     string // for people
	mail    bool
}

// spot finds the place at which the patch is applied.
func (s *Spec) spot(p *prep, d declarations, file string) (spot, error) {
	n := d.next()
	if i, number, err := s.takes(p, d, n); err != nil {
		return spot{}, err
	} else if i >= 0 {
		a := p.applied[i]
		if err := s.holds(p, d, ours{line: -1, at: i}, a.line); err != nil {
			return spot{}, err
		}
		// %autopatch does what %autosetup -S git_am or a macro chose before; others do not mind a mail.
		mail := a.style == styleGitAm || slices.ContainsFunc(s.lines, func(l line) bool { return gitAm.MatchString(l.text) })
		first, _, _ := strings.Cut(strings.TrimSpace(a.text), "\n")
		return spot{number: number, how: first + " applies it with all others", mail: mail}, nil
	}
	if d.list >= 0 {
		return spot{}, s.fail(d.list+1, "there is a %patchlist, but nothing applies all patches", adviceReplace)
	}
	return s.place(p, d, n, file)
}

var gitAm = regexp.MustCompile(`\bgit\s+am\b|git_am\b`)

// takes finds the application that takes a patch of the given number without being told,
// -1 where there is none. Where one would take it in a wrong way, another number may be
// that of a right one.
func (s *Spec) takes(p *prep, d declarations, n int) (int, int, error) {
	for i := range p.applied {
		all, err := s.appliesAll(p, i, n)
		if err != nil {
			if other, number := s.otherGroup(p, d); other >= 0 {
				return other, number, nil
			}
			return -1, 0, err
		}
		if all {
			if d.list >= 0 {
				n = -1
			}
			return i, n, nil
		}
	}
	return -1, 0, nil
}

// otherGroup finds a group of patches that %autopatch applies in the right way, and the
// next free number in it.
func (s *Spec) otherGroup(p *prep, d declarations) (int, int) {
	for i, a := range p.applied {
		low, high, err := s.bound(&a)
		if a.style != styleAutopatch || err != nil || d.list >= 0 {
			continue
		}
		n := max(low, 1)
		for _, have := range d.patches {
			if have.number >= n && have.number <= high {
				n = have.number + 1
			}
		}
		for slices.Contains(d.used, n) {
			n++
		}
		taken := 0
		for j := range p.applied {
			if all, err := s.appliesAll(p, j, n); err != nil || all && j != i {
				taken++
			}
		}
		if all, err := s.appliesAll(p, i, n); err == nil && all && taken == 0 && n <= high {
			return i, n
		}
	}
	return -1, 0
}

// choosing is what leaves out some patches of a loop.
var choosing = regexp.MustCompile(`(?m)\b(if|case|continue|break|grep|head|tail|sed)\b|&&|\|\|`)

// bound are the numbers that %autopatch takes.
func (s *Spec) bound(a *application) (low, high int, err error) {
	high = lastPatch * 1000
	if a.style != styleAutopatch {
		return low, high, nil
	}
	for _, b := range []struct {
		letter byte
		value  *int
	}{{'m', &low}, {'M', &high}} {
		text, ok := option(a.text, b.letter)
		if !ok {
			continue
		}
		if *b.value, ok = number(text); !ok {
			return 0, 0, s.fail(a.line+1, "it applies a range of patches whose bounds are macros", adviceReplace)
		}
	}
	return low, high, nil
}

// appliesAll tells whether an application takes patch n without being told. One that would
// take it, but not with -p1, once, in the top directory of the kernel's tree, is an error.
func (s *Spec) appliesAll(p *prep, i, n int) (bool, error) {
	a := &p.applied[i]
	switch a.style {
	case styleGitAm, stylePatchesAll:
		strip := stripOption.FindStringSubmatch(a.text)
		if strip != nil && strip[1] != "1" || strip == nil && !gitProgram.MatchString(a.text) || reverseOption.MatchString(a.text) || choosing.MatchString(a.text) {
			return false, s.fail(a.line+1, "it is not certain that this applies every patch, with -p1", adviceReplace)
		}
	case styleAutosetup, styleAutopatch:
		if words := autopatch.FindStringSubmatch(a.text); words != nil && numbersOnly(words[1]) {
			return false, nil
		}
		low, high, err := s.bound(a)
		if err != nil {
			return false, err
		}
		if n < low || n > high {
			return false, nil
		}
		if strip, ok := option(a.text, 'p'); !ok || strip != "1" {
			return false, s.fail(a.line+1, "it applies this patch with another option than -p1", adviceReplace)
		}
	default:
		return false, nil
	}
	if cond, odd := s.uncommon(a.line); odd {
		return false, s.fail(a.line+1, fmt.Sprintf("patches are applied only under %q", cond), adviceReplace)
	}
	switch {
	case a.block != "":
		return false, s.fail(a.line+1, "patches are applied only "+inBlock(a.block), adviceReplace)
	case a.dir == "":
		return false, s.fail(a.line+1, "all patches are applied in an unknown directory: "+a.lost.why, adviceReplace)
	case a.tree != a.dir:
		return false, s.fail(a.line+1, "all patches are applied in another directory than the top of the kernel's tree", adviceReplace)
	}
	return true, nil
}

// numbersOnly tells whether %autopatch is given the numbers of the patches that it takes.
func numbersOnly(arguments string) bool {
	words := strings.Fields(arguments)
	for i, w := range words {
		if _, ok := number(w); ok && (i == 0 || !slices.Contains([]string{"-m", "-M", "-p"}, words[i-1])) {
			return true
		}
	}
	return false
}

// uncommon tells a condition other than those that mean: a kernel without any patches.
func (s *Spec) uncommon(i int) (string, bool) {
	for _, condition := range s.lines[i].within {
		if !strings.Contains(condition, "nopatches") && !strings.Contains(condition, "vanilla") {
			return condition, true
		}
	}
	return "", false
}

var shellMacro = regexp.MustCompile(`^\s*\w+\s+"?%\{?P(ATCH)?\d`)

// inStyle writes the command that applies patch n as the spec applies its others.
func (s *Spec) inStyle(p *prep, a *application, n int, file string) string {
	if a.style == styleShell {
		// ApplyOptionalPatch leaves out what is shorter than ten lines.
		function := "ApplyOptionalPatch"
		if p.functions["ApplyPatch"] != nil {
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
