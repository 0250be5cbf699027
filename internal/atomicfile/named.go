// SPDX-License-Identifier: Apache-2.0

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// named is an error of a temporary file or directory, with the name of what it was to become.
type named struct {
	error
	text string
}

func (e *named) Error() string { return e.text }
func (e *named) Unwrap() error { return e.error }

// Named has an error say path where it says temp, the name of a temporary file or directory: who reads it
// knows that path, and finds nothing at the other.
func Named(err error, temp, path string) error {
	if err == nil || temp == "" || !strings.Contains(err.Error(), temp) {
		return err
	}
	return &named{err, strings.ReplaceAll(err.Error(), temp, path)}
}

// NotMade is the error of a temporary file or directory that could not be made, or not be put in place, as one
// of path: it was to come there.
func NotMade(err error, path string) error { return Of(err, "write", path) }

// Of is the error of a system call as one of what was to be done to path.
func Of(err error, op, path string) error {
	var at *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &at):
		return &fs.PathError{Op: op, Path: path, Err: at.Err}
	case errors.As(err, &link):
		return &fs.PathError{Op: op, Path: path, Err: link.Err}
	}
	return err
}
