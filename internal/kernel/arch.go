// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"ovzpatch/internal/job"
)

// Arch is the kernel's name for what a package is built for.
func Arch(target string) (string, error) {
	switch target {
	case "x86_64":
		return "x86_64", nil
	case "i386", "i486", "i586", "i686":
		return "i386", nil
	}
	return "", job.BadRequest(fmt.Errorf("--target=%s: it must be x86_64 or i686", target))
}
