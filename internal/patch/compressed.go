// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"ovzpatch/internal/compress"
)

// maxPatch is the largest patch that is read, in bytes after decompression: several
// times the largest kernel release patch, and small enough to be held in memory.
const maxPatch = 1 << 30

// decompressed returns the text of data, which its first bytes may say is compressed.
func decompressed(data []byte) ([]byte, error) {
	if compress.Detect(data) == compress.None {
		return data, nil
	}
	// A patch takes less than a second: there is nothing that is worth cancelling.
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
