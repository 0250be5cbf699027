// SPDX-License-Identifier: Apache-2.0

package job

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// A kind changes neither an error's text nor what it is itself, however it is wrapped.
func TestKinds(t *testing.T) {
	for kind, mark := range map[error]func(error) error{ErrRequest: BadRequest, ErrMisfit: Misfit, ErrBehaved: Misbehaved, ErrNoVerdict: NoVerdict} {
		err := errors.Join(errors.New("first"), fmt.Errorf("read: %w", mark(fmt.Errorf("open: %w", fs.ErrNotExist))))
		if err.Error() != "first\nread: open: file does not exist" {
			t.Errorf("%v: the text is %q", kind, err)
		}
		for _, other := range []error{ErrRequest, ErrMisfit, ErrBehaved, ErrNoVerdict} {
			if errors.Is(err, other) != (other == kind) {
				t.Errorf("%v: is %v: %t", kind, other, other != kind)
			}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v hides the cause", kind)
		}
	}
}
