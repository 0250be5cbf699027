// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"strings"
)

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
