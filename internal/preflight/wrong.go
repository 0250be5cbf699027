// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"ovzpatch/internal/rpmfile"
)

// OnlyWrong tells whether an error is about nothing else than files among those that a request
// names: that one is not there, or is not of the kind that is wanted.
func OnlyWrong(err error, named []string) bool {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(all.Unwrap(), func(e error) bool { return !OnlyWrong(e, named) })
	}
	if errors.Is(err, rpmfile.ErrNotRPM) || errors.Is(err, rpmfile.ErrNoKeys) {
		return true
	}
	var path *fs.PathError
	if !errors.As(err, &path) || !isWrongFile(path.Err) {
		return false
	}
	return slices.ContainsFunc(named, func(name string) bool {
		return name != "" && absolute(name) == absolute(path.Path)
	})
}

// isWrongFile tells the errors of a file that is not there, or of another kind. os.OpenRoot has an
// error of its own for what is not a directory.
func isWrongFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || err.Error() == syscall.ENOTDIR.Error() || err.Error() == syscall.EISDIR.Error()
}

func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}
