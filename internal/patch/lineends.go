// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"bytes"
	"fmt"
	"strings"
)

// lineEnds says where a hunk that does not match would match but for the ends of lines,
// and how those differ; "" where that is not why.
func (s *search) lineEnds(h *hunk, fuzz int) string {
	if len(h.old) == 0 {
		return ""
	}
	data := bytes.ReplaceAll(s.text.data, []byte("\r\n"), []byte("\n"))
	if n := len(data); n > 0 && data[n-1] != '\n' {
		data = append(bytes.Clone(data), '\n')
	}
	plain := *h
	plain.old = make([]string, len(h.old))
	for i, l := range h.old {
		plain.old[i] = strings.TrimSuffix(strings.TrimSuffix(l, "\n"), "\r") + "\n"
	}
	other := search{text: newText(data), frozen: s.frozen, drift: s.drift}
	at, _, ok := other.find(&plain, fuzz)
	if !ok {
		return ""
	}
	var there []string
	for i := range h.old {
		if n := at + i; n >= 1 && n <= s.text.count() {
			there = append(there, string(s.text.line(n)))
		}
	}
	want, have := endsOf(h.old), endsOf(there)
	switch {
	case want == have && want == "mixed line ends":
		have = "others, line by line"
	case want == have:
		return fmt.Sprintf("only the end of the file differs: of the last line, at line %d, either the patch or the file has no newline", at+len(h.old)-1)
	}
	return fmt.Sprintf("only the line ends differ: the patch has %s, and the file, from line %d on, has %s; convert one of them, as dos2unix and unix2dos do", want, at, have)
}

// endsOf names the ends of lines.
func endsOf(lines []string) string {
	lf, crlf := 0, 0
	for _, l := range lines {
		switch {
		case strings.HasSuffix(l, "\r\n"):
			crlf++
		case strings.HasSuffix(l, "\n"):
			lf++
		}
	}
	switch {
	case crlf == 0:
		return "LF"
	case lf == 0:
		return "CR LF"
	}
	return "mixed line ends"
}
