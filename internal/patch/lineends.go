// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"bytes"
	"fmt"
	"strings"
)

// lineEnds says where a hunk that does not match would match if line ends did not count, and how
// they differ; "" if line ends are not the reason.
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
		have = "different ones on different lines"
	case want == have:
		return fmt.Sprintf("only the end of the file differs: the last line, line %d, has no newline either in the patch or in the file", at+len(h.old)-1)
	}
	return fmt.Sprintf("only the line ends differ: the patch has %s, but the file has %s from line %d on; convert one of them with dos2unix or unix2dos", want, have, at)
}

// endsOf returns a name for the line ends.
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
