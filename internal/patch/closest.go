// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"slices"
)

// Closest is the place in a file that resembles a hunk most.
type Closest struct {
	Line int    // where the place starts, from 1
	Same int    // lines of the hunk's old text that were found, in order
	Of   int    // lines of the hunk's old text
	Diff []Line // what the hunk expects, compared with what is there
}

// Line is a line of such a comparison.
type Line struct {
	Op   byte   // ' ' the same, '-' only in the patch, '+' only in the file
	At   int    // its number in the file; 0 for '-'
	Text string // without its newline
}

func (l Line) String() string { return fmt.Sprintf("%c%s", l.Op, l.Text) }

// maxCompare limits the lines of a hunk, and of the place with which it is compared, so that
// comparing stays quick whatever the patch says.
const maxCompare = 400

// closest finds the place. A window as long as the hunk's old text slides over the file. The best
// place holds most of the hunk's lines, in any order; among equals, the one nearest to the
// expected line wins. closest returns nil if no line of the hunk is in the file.
func closest(t *text, h *hunk, expected int) *Closest {
	old := h.old
	if len(old) == 0 || t.count() == 0 {
		return nil
	}
	old = old[:min(len(old), maxCompare)]
	want := make(map[string]int, len(old))
	for _, l := range old {
		// Blank lines and lone braces are everywhere and tell nothing.
		if len(l) > 3 {
			want[l]++
		}
	}
	have := make(map[string]int, len(want))
	held, best, bestAt := 0, 0, 0
	for end := 1; end <= t.count(); end++ {
		in := string(t.line(end))
		if n, ok := want[in]; ok {
			if have[in]++; have[in] <= n {
				held++
			}
		}
		if out := end - len(old); out >= 1 {
			gone := string(t.line(out))
			if n, ok := want[gone]; ok {
				if have[gone]--; have[gone] < n {
					held--
				}
			}
		}
		at := max(end-len(old)+1, 1)
		if held > best || held == best && held > 0 && abs(at-expected) < abs(bestAt-expected) {
			best, bestAt = held, at
		}
	}
	if best == 0 {
		return nil
	}
	// A few more lines on both sides show inserted lines.
	from, to := max(bestAt-3, 1), min(bestAt+len(old)+3, t.count()+1)
	c := &Closest{Of: len(old), Diff: compare(old, t, from, to)}
	for _, l := range c.Diff {
		if l.Op == ' ' {
			c.Same++
		}
		if l.At > 0 && c.Line == 0 {
			c.Line = l.At
		}
	}
	return c
}

// compare is the shortest edit from old to lines [from,to) of the file.
func compare(old []string, t *text, from, to int) []Line {
	n, m := len(old), to-from
	// length[i][j] is the longest common subsequence of old[i:] and the lines from j on.
	length := make([][]int, n+1)
	for i := range length {
		length[i] = make([]int, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if old[i] == string(t.line(from+j)) {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var diff []Line
	i, j := 0, 0
	for i < n || j < m {
		switch {
		case i < n && j < m && old[i] == string(t.line(from+j)):
			diff = append(diff, Line{' ', from + j, trimEOL(old[i])})
			i, j = i+1, j+1
		case i < n && (j == m || length[i+1][j] >= length[i][j+1]):
			diff = append(diff, Line{'-', 0, trimEOL(old[i])})
			i++
		default:
			diff = append(diff, Line{'+', from + j, trimEOL(string(t.line(from + j)))})
			j++
		}
	}
	return trimmed(diff)
}

// trimmed removes the file's lines from both ends of a comparison, except as many as the patch's
// lines that are missing there: those stand in their place.
func trimmed(diff []Line) []Line {
	run := func(from, step int, op byte) (n int) {
		for i := from; i >= 0 && i < len(diff) && diff[i].Op == op; i += step {
			n++
		}
		return n
	}
	missing := run(0, 1, '-')
	extra := run(missing, 1, '+')
	diff = slices.Delete(diff, missing, missing+max(extra-missing, 0))
	extra = run(len(diff)-1, -1, '+')
	missing = run(len(diff)-1-extra, -1, '-')
	return diff[:len(diff)-max(extra-missing, 0)]
}

// trimEOL removes the newline and shows a CR, which may be the only difference.
func trimEOL(s string) string {
	if n := len(s); n > 0 && s[n-1] == '\n' {
		s = s[:n-1]
	}
	if n := len(s); n > 0 && s[n-1] == '\r' {
		s = s[:n-1] + `\r`
	}
	return s
}

func abs(n int) int { return max(n, -n) }
