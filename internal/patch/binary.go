// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"bytes"
	"fmt"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// maxBinary is the size in bytes of the largest binary file that a patch may make. A delta of a
// few bytes can ask for any size.
const maxBinary = 256 << 20

// binary applies a git binary patch, which must fit exactly.
func (w *planner) binary(f *File, v way, before []byte) (after []byte, ok bool, err error) {
	fragment := f.diff.BinaryFragment
	if w.opt.Reverse {
		fragment = f.diff.ReverseBinaryFragment
	}
	if fragment == nil {
		w.issue(f, v.oldName, Unsupported, "the patch holds a binary change in one direction only")
		return nil, false, nil
	}
	var out limitedBuffer
	one := &gitdiff.File{OldName: "x", NewName: "x", IsBinary: true, BinaryFragment: fragment}
	if err := gitdiff.Apply(&out, bytes.NewReader(before), one); err != nil {
		w.issue(f, v.oldName, NoMatch, "binary change: "+err.Error())
		return nil, false, nil
	}
	return out.Bytes(), true, nil
}

// limitedBuffer refuses to grow beyond maxBinary.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxBinary {
		return 0, fmt.Errorf("the result is larger than %d MiB", maxBinary>>20)
	}
	return b.Buffer.Write(p)
}
