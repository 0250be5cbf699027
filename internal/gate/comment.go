// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"strings"
)

// spliced is a source in which the lines that a backslash joins are one, which the compiler does before anything
// else: a comment that ends in a backslash goes on. The line behind them keeps its number.
func spliced(src string) string {
	if !strings.Contains(src, "\\") {
		return src
	}
	var b strings.Builder
	owed := 0
	for _, line := range strings.SplitAfter(src, "\n") {
		// The compiler takes blanks behind the backslash for a mistake, and joins the lines.
		if bare, joined := strings.CutSuffix(strings.TrimRight(line, " \t\r\f\n"), "\\"); joined && strings.HasSuffix(line, "\n") {
			b.WriteString(bare)
			owed++
			continue
		}
		b.WriteString(line)
		b.WriteString(strings.Repeat("\n", owed))
		owed = 0
	}
	return b.String()
}

// uncommented is a source without comments, in joined lines. A comment of several lines does not end the preprocessor's
// line that it begins on. What stands behind it keeps its line's number, but for such a line's own.
func uncommented(src string) string {
	src = spliced(src)
	var b strings.Builder
	directive, owed, blank := false, 0, true // blank: the line has nothing else so far
	for i := 0; i < len(src); {
		n, put := 1, src[i:i+1]
		switch {
		case src[i] == '\n':
			put = strings.Repeat("\n", owed+1)
			directive, owed, blank = false, 0, true
		case strings.HasPrefix(src[i:], "//"):
			n, put = lineLength(src[i:]), ""
		case strings.HasPrefix(src[i:], "/*"):
			n, put = len(src)-i, " "
			if end := strings.Index(src[i+2:], "*/"); end >= 0 {
				n = end + 4
			}
			if lines := strings.Count(src[i:i+n], "\n"); directive {
				owed += lines
			} else {
				put += strings.Repeat("\n", lines)
			}
		case src[i] == '"', src[i] == '\'':
			n = literalLength(src[i:])
			put = src[i : i+n]
		case src[i] == '#':
			directive = directive || blank
		}
		b.WriteString(put)
		if at := strings.LastIndexByte(put, '\n'); at >= 0 {
			put, blank = put[at+1:], true
		}
		blank = blank && strings.TrimSpace(put) == ""
		i += n
	}
	return b.String()
}

// code is a header without comments and what stands in literals, so that no word of those is
// found in it.
func code(data []byte) []byte {
	src := string(data)
	var b bytes.Buffer
	for i := 0; i < len(src); {
		n, put := 1, src[i:i+1]
		switch {
		case strings.HasPrefix(src[i:], "//"):
			n, put = lineLength(src[i:]), ""
		case strings.HasPrefix(src[i:], "/*"):
			if n, put = len(src)-i, " "; b.Len() == 0 || src[i-1] == '\n' {
				put = "" // what comes behind it begins the line
			}
			if end := strings.Index(src[i+2:], "*/"); end >= 0 {
				n = end + 4
			}
		case src[i] == '"', src[i] == '\'':
			n, put = literalLength(src[i:]), `""`
		}
		b.WriteString(put)
		i += n
	}
	return b.Bytes()
}
