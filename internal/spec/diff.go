// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// diffContext is the number of unchanged lines around a change.
const diffContext = 3

func sorted(edits []edit) []edit {
	return slices.SortedStableFunc(slices.Values(edits), func(a, b edit) int { return cmp.Compare(a.at, b.at) })
}

// diff returns the edits as a unified diff. It needs no comparison: the edits are known,
// so the diff shows just them.
func (s *Spec) diff() string {
	if len(s.edits) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", s.name, s.name)
	edits := sorted(s.edits)
	shift := 0 // lines added so far
	for len(edits) > 0 {
		n := 1
		for n < len(edits) && edits[n].at-(edits[n-1].at+edits[n-1].remove) <= 2*diffContext {
			n++
		}
		shift += s.hunk(&b, edits[:n], shift)
		edits = edits[n:]
	}
	return b.String()
}

// hunk writes one hunk and returns the number of lines it adds.
func (s *Spec) hunk(b *strings.Builder, edits []edit, shift int) int {
	last := edits[len(edits)-1]
	first := max(0, edits[0].at-diffContext)
	end := min(len(s.lines), last.at+last.remove+diffContext)
	added := 0
	for _, e := range edits {
		added += len(e.insert) - e.remove
	}
	old := end - first
	fmt.Fprintf(b, "@@ -%s +%s @@\n", lineRange(first, old), lineRange(first+shift, old+added))
	write := func(mark byte, text string, unended bool) {
		fmt.Fprintf(b, "%c%s\n", mark, text)
		if unended {
			b.WriteString("\\ No newline at end of file\n")
		}
	}
	next := first
	for _, e := range edits {
		for ; next < e.at; next++ {
			write(' ', s.lines[next].text, s.noEOL && next == len(s.lines)-1)
		}
		for range e.remove {
			write('-', s.lines[next].text, s.noEOL && next == len(s.lines)-1)
			next++
		}
		for i, text := range e.insert {
			write('+', text, s.stillNoEOL && next == len(s.lines) && i == len(e.insert)-1)
		}
	}
	for ; next < end; next++ {
		write(' ', s.lines[next].text, s.noEOL && next == len(s.lines)-1)
	}
	return added
}

// lineRange writes a range as diff does: an empty one names the line before it.
func lineRange(first, count int) string {
	if count == 0 {
		return fmt.Sprintf("%d,0", first)
	}
	return fmt.Sprintf("%d,%d", first+1, count)
}
