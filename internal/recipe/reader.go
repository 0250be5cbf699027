// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/rpmfile"
)

// The rpms of the systems that the kernels belong to. docs/building.md says where the versions come from and what was
// measured.
var (
	rpmOfRHEL5 = rpmfile.Reader{System: "RHEL 5", Version: "4.4.2.3", Compressors: []string{"gzip", "bzip2"}}
	rpmOfRHEL6 = rpmfile.Reader{System: "RHEL 6", Version: "4.8.0", Compressors: []string{"gzip", "bzip2", "lzma", "xz"}}
	rpmOfRHEL7 = rpmfile.Reader{System: "RHEL 7", Version: "4.11.3", Compressors: []string{"gzip", "bzip2", "lzma", "xz"}}
	rpmOfRHEL8 = rpmfile.Reader{System: "RHEL 8", Version: "4.14.3", Compressors: []string{"gzip", "bzip2", "lzma", "xz", "zstd"}}
	rpmOfRHEL9 = rpmfile.Reader{System: "RHEL 9", Version: "4.16.1.3", Compressors: []string{"gzip", "bzip2", "lzma", "xz", "zstd"}}
)

// readerOf returns the rpm of a kernel's own time. Packages are made for that one, whichever rpm makes them.
func readerOf(k kernel.Kernel) rpmfile.Reader {
	switch {
	case k.AtLeast(5, 14, 0):
		return rpmOfRHEL9
	case k.AtLeast(4, 18, 0):
		return rpmOfRHEL8
	case k.AtLeast(3, 10, 0):
		return rpmOfRHEL7
	case k.AtLeast(2, 6, 32):
		return rpmOfRHEL6
	}
	return rpmOfRHEL5
}
