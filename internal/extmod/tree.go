// SPDX-License-Identifier: Apache-2.0

package extmod

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"

	"ovzpatch/internal/job"
	"ovzpatch/internal/plainfile"
)

var utsRelease = regexp.MustCompile(`(?m)^#define UTS_RELEASE "(.*)"$`)

// release is that of the kernel whose modules a build tree makes, "" where it does not say.
func release(tree string) (string, error) {
	// As in Linux since 2.6.33, since 2.6.18, and before.
	for _, file := range []string{"include/generated/utsrelease.h", "include/linux/utsrelease.h", "include/linux/version.h"} {
		b, err := plainfile.Read(filepath.Join(tree, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("read the release of the build tree: %w", err)
		}
		// Of several the one that counts depends on macros.
		if all := utsRelease.FindAllSubmatch(b, 2); len(all) == 1 {
			return string(all[0][1]), nil
		}
	}
	return "", nil
}

// CheckTree refuses a kernel's build tree, by from, that says it is of another kernel. Modules made in one
// that does not say are for Check.
func CheckTree(tree, want, from string) error {
	got, err := release(tree)
	if err != nil || got == "" || got == want {
		return err
	}
	return job.BadRequest(fmt.Errorf("%s is of kernel %s, but the kernel is %s, which would load no module made with it: use the -devel package of the same build", from, got, want))
}
