// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// hunk is one hunk in the direction in which it is applied: for a reverse its removed lines
// become added ones.
type hunk struct {
	number   int // in its file, from 1
	line     int // of its header in the patch
	first    int // line at which its old text should start, from 1
	old      []string
	lines    []gitdiff.Line
	lead     int    // context lines before the first change
	trail    int    // context lines after the last change
	function string // C function that the header names, or ""
}

// hunks returns a file's hunks as they will be applied. With cr, every line gets back the CR that
// was removed from a patch whose own lines ended with CR LF.
func (f *File) hunks(reverse, cr bool) []hunk {
	all := make([]hunk, 0, len(f.diff.TextFragments))
	for i, frag := range f.diff.TextFragments {
		h := hunk{
			number: i + 1, line: f.lines[i], first: int(frag.OldPosition), lines: frag.Lines,
			lead: int(frag.LeadingContext), trail: int(frag.TrailingContext),
			function: functionName(frag.Comment),
		}
		oldCount := frag.OldLines
		if reverse {
			h.first, oldCount = int(frag.NewPosition), frag.NewLines
		}
		if oldCount == 0 {
			// A range without lines names the line before it.
			h.first++
		}
		if reverse || cr {
			h.lines = turned(frag.Lines, reverse, cr)
		}
		h.old = make([]string, 0, oldCount)
		for _, l := range h.lines {
			if l.Op != gitdiff.OpAdd {
				h.old = append(h.old, l.Line)
			}
		}
		all = append(all, h)
	}
	return all
}

func turned(lines []gitdiff.Line, reverse, cr bool) []gitdiff.Line {
	turned := make([]gitdiff.Line, len(lines))
	for i, l := range lines {
		if reverse {
			switch l.Op {
			case gitdiff.OpAdd:
				l.Op = gitdiff.OpDelete
			case gitdiff.OpDelete:
				l.Op = gitdiff.OpAdd
			}
		}
		if body, ok := strings.CutSuffix(l.Line, "\n"); ok && cr {
			l.Line = body + "\r\n"
		}
		turned[i] = l
	}
	return turned
}

// lastChange is one more than the index in old of the last line that the hunk removes, or after
// which it inserts. What follows may be context of the next hunk.
func (h *hunk) lastChange() int { return len(h.old) - h.trail }

// String is the hunk as a unified diff has it.
func (h *hunk) String() string {
	added := 0
	for _, l := range h.lines {
		if l.Op != gitdiff.OpDelete {
			added++
		}
	}
	oldFirst, newFirst := h.first, h.first
	if len(h.old) == 0 {
		oldFirst--
	}
	if added == 0 {
		newFirst--
	}
	var b strings.Builder
	fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@\n", oldFirst, len(h.old), newFirst, added)
	for _, l := range h.lines {
		b.WriteString(l.Op.String() + l.Line)
		if l.NoEOL() {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
	return b.String()
}
