// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"ovzpatch/internal/compress"
)

// maxPatch is the size in bytes, after decompression, of the largest patch that we read: several
// times the largest kernel release patch, and small enough for memory.
const maxPatch = 1 << 30

// decompressed returns the text of data, decompressed if its first bytes say so.
func decompressed(data []byte) ([]byte, error) {
	if compress.Detect(data) == compress.None {
		return data, nil
	}
	// A patch takes less than a second, so cancelling is not worth it.
	r, format, err := compress.NewReader(context.Background(), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(compress.Limit(r, maxPatch))
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", format, err)
	}
	return text, nil
}
