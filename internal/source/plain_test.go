// SPDX-License-Identifier: Apache-2.0

package source

import (
	"errors"
	"io/fs"
	"testing"

	"ovzpatch/internal/rpmfile"
)

// rpmbuild makes no such package, so that the entries stand for it.
func TestASourceRPMWithALink(t *testing.T) {
	for mode, want := range map[fs.FileMode]error{0o644: nil, fs.ModeSymlink | 0o777: ErrUnknown, fs.ModeDir | 0o755: ErrUnknown, fs.ModeNamedPipe: ErrUnknown} {
		if err := plain(rpmfile.Entry{Name: "kernel.spec", Mode: mode}); !errors.Is(err, want) {
			t.Errorf("%v: %v", mode, err)
		}
	}
}
