// SPDX-License-Identifier: Apache-2.0

// Package kmod holds the sources of the probe, a kernel module that stands in for
// Lustre in the guest. (A directory with C files in it can't be a Go package.)
package kmod

import (
	"embed"
	"io/fs"
)

//go:embed lustreprobe/Kbuild lustreprobe/lustreprobe.c
var files embed.FS

// Lustreprobe returns the module's files: Kbuild and lustreprobe.c. The module is compiled
// against the kernel under test with `make -C KERNEL M=DIR`, DIR being a copy of them.
func Lustreprobe() fs.FS {
	sub, _ := fs.Sub(files, "lustreprobe") // the name is constant, so it can't be bad
	return sub
}
