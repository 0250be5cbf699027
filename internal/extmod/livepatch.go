// SPDX-License-Identifier: Apache-2.0

package extmod

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"

	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/job"
	"ovzpatch/internal/plainfile"
)

// Livepatch returns the name that the livepatch in a file has for the kernel, whatever the file's
// name is. What is no livepatch is a job.ErrRequest.
func Livepatch(path string) (name string, err error) {
	image, err := plainfile.Read(path)
	if err != nil {
		return "", fmt.Errorf("read module: %w", err)
	}
	m, err := initramfs.ReadModule(filepath.Base(path), image)
	switch {
	case bytes.HasPrefix(image, []byte("\xed\xab\xee\xdb")):
		err = fmt.Errorf("%s is an RPM package; name the module in it, a .ko file: rpm2cpio %[1]s | cpio -idm takes it out", path)
	case err != nil:
		err = fmt.Errorf("%w; name the module of a livepatch, a .ko file, whole and not compressed", err)
	case !m.Livepatch:
		err = errors.New(path + " is a kernel module, but no livepatch (its .modinfo has no livepatch=); ovzpatch livepatch makes one")
	}
	if err != nil {
		return "", job.BadRequest(err)
	}
	return m.Name, nil
}
