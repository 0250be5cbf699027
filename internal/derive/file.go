// SPDX-License-Identifier: Apache-2.0

package derive

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/gate"
)

// file is the text of fs/namespace.c, by lines without their ends.
type file struct {
	lines []string
	end   string // of each line: LF, or CR LF
	whole bool   // the last line ends like the others
}

// newFile reads a text. Lines that end now like this and now like that are nobody's
// intention, and a patch for them would not go in.
func newFile(data []byte) (*file, error) {
	f := &file{end: "\n"}
	ends, both := bytes.Count(data, []byte("\n")), bytes.Count(data, []byte("\r\n"))
	switch {
	case both > 0 && both == ends:
		f.end = "\r\n"
	case both > 0:
		return nil, &Question{Asks: fmt.Sprintf("%d lines of %s end in CR LF, and %d in LF: which is meant? Convert it (dos2unix) and derive again", both, gate.File, ends-both)}
	}
	text := string(data)
	text, f.whole = strings.CutSuffix(text, f.end)
	f.lines = strings.Split(text, f.end)
	return f, nil
}

// at is a line as evidence, from 1.
func (f *file) at(n int) Line {
	l := Line{File: gate.File, Line: n}
	if n >= 1 && n <= len(f.lines) {
		l.Text = strings.TrimSpace(f.lines[n-1])
	}
	return l
}

func (f *file) blank(n int) bool {
	return n < 1 || n > len(f.lines) || strings.TrimSpace(f.lines[n-1]) == ""
}

// indent is the white space that a line begins with.
func (f *file) indent(n int) string {
	l := f.lines[n-1]
	return l[:len(l)-len(strings.TrimLeft(l, " \t"))]
}

// aboveComment returns the line behind which what belongs before line n is to be put: above the
// comment that stands directly before it.
func (f *file) aboveComment(n int) int {
	at := n - 1
	for at >= 1 {
		l := strings.TrimSpace(f.lines[at-1])
		switch {
		case strings.HasPrefix(l, "//"):
			at--
			continue
		case strings.HasSuffix(l, "*/"):
			open := at
			for open >= 1 && !strings.Contains(f.lines[open-1], "/*") {
				open--
			}
			if open >= 1 && strings.HasPrefix(strings.TrimSpace(f.lines[open-1]), "/*") {
				at = open - 1
				continue
			}
		}
		break
	}
	return at
}

var includeLine = regexp.MustCompile(`^#[ \t]*include[ \t]*<linux/`)

// lastInclude is the line of the last #include of a linux/ header that no condition holds.
func (f *file) lastInclude() int {
	depth, last := 0, 0
	for i, l := range f.lines {
		switch word := directive(l); {
		case strings.HasPrefix(word, "if"):
			depth++
		case word == "endif":
			depth--
		case depth == 0 && includeLine.MatchString(l):
			last = i + 1
		}
	}
	return last
}

// directive is the word of a line for the preprocessor, "" for other lines.
func directive(l string) string {
	rest, ok := strings.CutPrefix(strings.TrimSpace(l), "#")
	if !ok {
		return ""
	}
	rest = strings.TrimLeft(rest, " \t")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < 'a' || r > 'z' })
	if end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// edits are lines to be put in, by the line behind which they come.
type edits map[int][]string

func (e edits) after(n int, lines ...string) {
	e[n] = append(e[n], lines...)
}

const contextLines = 3

// apply returns the text with the edits, and the difference as a unified diff.
func (e edits) apply(f *file, o *gate.Outline) (after, diff []byte, err error) {
	var at []int
	for n := range e {
		at = append(at, n)
	}
	slices.Sort(at)
	if len(at) == 0 {
		return nil, nil, &Question{Asks: "there is nothing to change"}
	}
	if at[len(at)-1]+contextLines > len(f.lines) || at[len(at)-1]+contextLines == len(f.lines) && !f.whole {
		return nil, nil, &Question{Asks: gate.File + " ends where the hook belongs: is it whole?"}
	}
	var out, body bytes.Buffer
	added := 0
	for i := 0; i < len(at); {
		last := i
		for last+1 < len(at) && at[last+1]-at[last] <= 2*contextLines {
			last++
		}
		first, end := max(at[i]-contextLines+1, 1), min(at[last]+contextLines, len(f.lines))
		var hunk bytes.Buffer
		more := 0
		for n := first; n <= end; n++ {
			hunk.WriteString(" " + f.lines[n-1] + f.end)
			for _, l := range e[n] {
				hunk.WriteString("+" + l + f.end)
				more++
			}
		}
		fmt.Fprintf(&body, "@@ -%d,%d +%d,%d @@%s\n", first, end-first+1, first+added, end-first+1+more, f.within(o, first))
		body.Write(hunk.Bytes())
		added += more
		i = last + 1
	}
	for n := 1; n <= len(f.lines); n++ {
		out.WriteString(f.lines[n-1])
		if n < len(f.lines) || f.whole {
			out.WriteString(f.end)
		}
		for _, l := range e[n] {
			out.WriteString(l + f.end)
		}
	}
	diff = fmt.Appendf(nil, " %s | %d %s\n 1 file changed, %d insertions(+)\n\ndiff --git a/%s b/%s\n--- a/%s\n+++ b/%s\n",
		gate.File, added, strings.Repeat("+", min(added, 50)), added, gate.File, gate.File, gate.File, gate.File)
	return out.Bytes(), append(diff, body.Bytes()...), nil
}

// within quotes the function that a line lies in, as diff -p does.
func (f *file) within(o *gate.Outline, n int) string {
	for _, fn := range o.Functions {
		if fn.Line < n && n <= fn.End {
			return " " + strings.TrimRight(f.lines[fn.Line-1], " \t")
		}
	}
	return ""
}
