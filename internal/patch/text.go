// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"bytes"
	"math"
)

// text is a file's bytes with an index of the lines. Lines include their newline; the last one
// may have none.
type text struct {
	data []byte
	ends []uint32 // ends[i] is the end of line i+1
}

func newText(data []byte) *text {
	t := &text{data: data, ends: make([]uint32, 0, len(data)/24+1)}
	for pos := 0; pos < len(data); {
		n := bytes.IndexByte(data[pos:], '\n') + 1
		if n == 0 {
			n = len(data) - pos
		}
		pos += n
		t.ends = append(t.ends, uint32(pos))
	}
	return t
}

// maxFile is the size in bytes of the largest file that can be patched: the index holds no larger
// offsets.
const maxFile = math.MaxUint32

// count is the number of lines.
func (t *text) count() int { return len(t.ends) }

// line is line n, from 1 to count.
func (t *text) line(n int) []byte { return t.data[t.start(n):t.ends[n-1]] }

// start is the offset at which line n starts; n may be count+1.
func (t *text) start(n int) int {
	if n == 1 {
		return 0
	}
	return int(t.ends[n-2])
}
