// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"slices"
	"strings"
)

// place finds the line before which a command of our own applies the patch: behind the
// last of the package's patches, or where that is too early or in another tree than the one
// that is built, another one that is right.
func (s *Spec) place(p *prep, d declarations, n int, file string) (spot, error) {
	spots := s.spots(p, n, file)
	if len(spots) == 0 {
		return spot{}, s.noSpot(p)
	}
	var first error
	var without []string // trees that do not get it
	for i := 0; i < len(spots) && i < maxSpots; i++ {
		at := spots[i].line
		err := s.holds(p, d, ours{line: at, at: -1, in: spots[i].in}, at)
		if err == nil {
			return spots[i], nil
		}
		if first == nil {
			first = err
		}
		e, ok := err.(*Error)
		if ok && e.without != "" && !slices.Contains(without, e.without) {
			without = append(without, e.without)
		}
		// Behind what takes it away again.
		if ok && i == 0 && spots[0].in == "" && e.Line-1 >= at && e.Line <= p.end {
			if later := p.safeAfter(e.Line - 1); later >= 0 {
				again := spots[0]
				again.line, again.blank = later, nil
				spots = append([]spot{spots[0], again}, spots[1:]...)
			}
		}
	}
	if e, ok := first.(*Error); ok && len(without) > 1 {
		e.Reason = fmt.Sprintf("%%build works in %s, which are patched one by one, but our patch goes in at one place", strings.Join(without, " and in "))
	}
	return spot{}, first
}

// maxSpots is how many places are tried.
const maxSpots = 24

// spots are the places that the text offers, the best one first.
func (s *Spec) spots(p *prep, n int, file string) (list []spot) {
	add := func(at int, blank []string, a *application) {
		command := fmt.Sprintf("%%patch -P %d -p1", n)
		if a != nil {
			command = s.inStyle(p, a, n, file)
		}
		for _, have := range list {
			if have.line == at {
				return
			}
		}
		list = append(list, spot{number: n, command: command, line: at, blank: blank, how: command})
	}
	var last *application
	for i := range p.applied {
		if a := &p.applied[i]; (p.marker < 0 || a.line < p.marker) && a.style != styleScript && p.safeAfter(a.line) >= 0 {
			last = a
		}
	}
	switch {
	case last != nil && isPlaceholder(last.text) && p.safe[last.line] && len(s.lines[last.line].within) == 0:
		add(last.line, []string{""}, last)
	case p.marker >= 0:
		add(p.marker, []string{""}, last)
	}
	for i := len(p.applied) - 1; i >= 0; i-- {
		a := &p.applied[i]
		if at := p.safeAfter(a.line); at >= 0 && (p.marker < 0 || at < p.marker) {
			like := a
			if a.style == styleScript {
				like = last
			}
			add(at, nil, like)
		}
	}
	// Where they are applied from above the tree, ours is told the same directory.
	for _, a := range slices.Backward(p.applied) {
		if a.in == "" || p.safeAfter(a.line) >= 0 {
			continue
		}
		if at := p.with(ours{line: -1, at: -1, in: a.in}).safeAfter(a.line); at >= 0 {
			command := fmt.Sprintf("%%patch -P %d -p1 -d %s", n, a.in)
			list = append(list, spot{number: n, command: command, line: at, in: a.in, how: command})
		}
	}
	if len(p.applied) == 0 {
		if at := p.safeAfter(p.first - 1); at >= 0 {
			add(at, nil, nil)
		}
	}
	return list
}

// noSpot says why there is no place.
func (s *Spec) noSpot(p *prep) error {
	if len(p.applied) == 0 {
		line, reason := p.first, "%prep shows no place that is surely in the top directory of the kernel tree"
		for i := p.first; i < p.end; i++ {
			if f, ok := p.facts[i]; ok && f.lost.why != "" {
				line, reason = f.lost.line+1, reason+": "+f.lost.why
				break
			}
		}
		return s.fail(line, reason, adviceReplace)
	}
	a := p.applied[len(p.applied)-1]
	reason := "the patches are applied where the text does not show whether the next command runs, or where"
	switch {
	case len(s.lines[a.line].within) > 0:
		reason += fmt.Sprintf(": under %q", s.lines[a.line].within[0])
	case a.block != "":
		reason += ": " + inBlock(a.block)
	case a.lost.why != "":
		reason += fmt.Sprintf(": the directory is not known since line %d: %s", a.lost.line+1, a.lost.why)
	case a.tree == "":
		reason += ": " + below(a.dir) + " is not known to be the kernel's tree"
	}
	return s.fail(a.line+1, reason, adviceReplace)
}

// inBlock says what a command of the shell stands in.
func inBlock(opener string) string {
	switch word, _, _ := strings.Cut(opener, " "); {
	case strings.HasPrefix(word, "("):
		return fmt.Sprintf("within the subshell %q, which is left at its end", opener)
	case word == "for" || word == "while" || word == "until":
		return fmt.Sprintf("within the loop %q, which does not surely run once in each of several trees", opener)
	}
	return fmt.Sprintf("under the shell's %q", opener)
}

// isPlaceholder tells Red Hat's empty patch, which is applied last by custom.
func isPlaceholder(text string) bool {
	return strings.Contains(text, "linux-kernel-test.patch") || strings.Contains(text, "PATCH999999")
}

// safeAfter returns the first line after i before which a command runs once, always, and
// in the tree, which may be the end of %prep; -1 without.
func (p *prep) safeAfter(i int) int {
	for at := i + 1; at <= p.end; at++ {
		if p.safe[at] {
			return at
		}
	}
	return -1
}

// holds follows %prep with our patch in it, and %build after it: the tree that is built
// must have it in the end.
func (s *Spec) holds(p *prep, d declarations, trial ours, line int) error {
	after := p.with(trial)
	st := after.after
	if st == nil {
		return nil // a command that fails: the proof tells
	}
	held := false
	var lost note
	for _, t := range st.trees {
		if held = held || t.has(); t.ours == cannotTell {
			lost.first(t.lost.line, t.lost.why)
		}
	}
	switch {
	case after.twice.why != "":
		return s.fail(after.twice.line+1, after.twice.why, adviceReplace)
	case held:
	case after.removed.why != "":
		return s.fail(after.removed.line+1, after.removed.why+", after the patch is in", adviceReplace)
	case lost.why != "":
		return s.fail(lost.line+1, "the patch may be lost again: "+lost.why, adviceReplace)
	default:
		return s.fail(line+1, "no tree that is left has the patch", adviceReplace)
	}
	return s.built(p, after, st)
}
