// SPDX-License-Identifier: Apache-2.0

package compress

import (
	"fmt"
	"io"
)

// LimitError means that a stream holds more bytes than its reader allows.
type LimitError struct {
	Limit int64 // bytes
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("stream is longer than the %d bytes allowed", e.Limit)
}

// Limit returns a reader of r that fails with a *LimitError once r holds more than limit bytes.
// Unlike io.LimitReader, it never makes a stream that is too long look complete.
func Limit(r io.Reader, limit int64) io.Reader {
	return &limited{r: r, left: limit, limit: limit}
}

type limited struct {
	r           io.Reader
	left, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	// Ask for one byte more than allowed, to tell the end from too much.
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if int64(n) > l.left {
		n = int(l.left)
		err = &LimitError{Limit: l.limit}
	}
	l.left -= int64(n)
	return n, err
}
