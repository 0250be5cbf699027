// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// visible returns s without characters that XML forbids or a terminal obeys: control characters
// are written as ^[, and what is no text as a mark. Newlines and tabs stay.
func visible(s string) string {
	var b strings.Builder
	for _, r := range strings.ReplaceAll(s, "\r\n", "\n") {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteByte('^')
			b.WriteRune(r ^ 0x40)
		case r >= 0x80 && r < 0xa0, r == 0xfffe, r == 0xffff, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cut shortens s to a number of bytes, and says so.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const mark = "..."
	return strings.ToValidUTF8(s[:limit-len(mark)], "") + mark
}

// bounded is visible text of a number of bytes at most.
func bounded(s string, limit int) string { return cut(visible(cut(s, limit)), limit) }

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// oneLine is bounded text on one line.
func oneLine(s string, limit int) string {
	return strings.Join(strings.Fields(bounded(s, limit)), " ")
}

// budget is what may still be written.
type budget struct{ bytes, tests int }

// fit makes the names of tests unique and all their texts such that the report stays readable for
// everybody. The texts of passed tests go first where there is too much; names and counts stay.
func (b *budget) fit(tests []test, names map[string]bool) []test {
	if left := len(tests) - b.tests; left > 0 {
		tests = tests[:b.tests]
		if b.tests > 0 {
			t := &tests[len(tests)-1]
			*t = test{name: "more", class: t.class, status: errored, message: fmt.Sprintf("%d more tests have no room in this report", left+1)}
		}
	}
	b.tests -= len(tests)
	for i := range tests {
		t := &tests[i]
		t.name, t.class = oneLine(t.name, maxName), oneLine(t.class, maxName)
		for base, n := t.name, 2; names[t.class+"\x00"+t.name]; n++ {
			t.name = fmt.Sprintf("%s (%d)", base, n)
		}
		names[t.class+"\x00"+t.name] = true
		t.message = b.take(oneLine(t.message, maxMessage))
		limit := maxText
		if t.name == "boot" {
			limit = maxConsole
		}
		t.text = b.take(bounded(t.text, limit))
	}
	return tests
}

// noRoom stands for a text that is left out.
const noRoom = "(left out: this report is full; the JSON report has it)"

func (b *budget) take(s string) string {
	var size counter
	xml.EscapeText(&size, []byte(s)) // a counter accepts everything
	if int(size) > b.bytes {
		return noRoom
	}
	b.bytes -= int(size)
	return s
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// consoleEnd is the end of the file with the console, "" where there is none.
func (k Kernel) consoleEnd() string {
	if k.Console == "" {
		return ""
	}
	f, err := os.Open(k.Console)
	if err != nil {
		return "(no console: " + err.Error() + ")"
	}
	defer f.Close()
	const keep = maxConsole / 2 // a control character becomes two
	var from int64
	if st, err := f.Stat(); err == nil && st.Size() > keep {
		from = st.Size() - keep
	}
	end, err := io.ReadAll(io.NewSectionReader(f, from, keep))
	if err != nil {
		return "(no console: " + err.Error() + ")"
	}
	text := string(end)
	if from > 0 {
		_, text, _ = strings.Cut(text, "\n")
		text = fmt.Sprintf("(the end of %s)\n%s", k.Console, text)
	}
	return text
}
