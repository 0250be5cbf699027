// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/scratch"
)

// tight is how little room a filesystem has that is as good as full: a program then fails in a
// way of its own, and does not say why.
const tight = 1 << 20

// fullError is an error that came while a filesystem was full.
type fullError struct {
	err    error
	left   int64 // bytes
	dir    string
	advice string
}

func (e *fullError) Error() string {
	return fmt.Sprintf("%v\nthe disk is full: %d bytes are left for %s%s", e.err, e.left, e.dir, e.advice)
}

func (e *fullError) Unwrap() error { return e.err }

// explain adds to an error that the filesystem of a directory is full, where it is, unless one was named already.
func explain(err error, dir, advice string) error {
	var st unix.Statfs_t
	if err == nil || errors.As(err, new(*fullError)) || unix.Statfs(dir, &st) != nil {
		return err
	}
	if left := int64(st.Bavail) * st.Bsize; left < tight {
		return &fullError{err, left, dir, advice}
	}
	return err
}

// leave removes a directory for temporary files. An error that there was no room in it is told before.
func leave(dir string, remove func(), err *error) {
	*err = explain(*err, dir, "; "+scratch.Hint)
	remove()
}
