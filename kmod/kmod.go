// SPDX-License-Identifier: Apache-2.0

// Package kmod holds the sources of kernel modules: of the probe, which stands in for Lustre in
// the guest, and of the livepatch. (A directory with C files in it can't be a Go package.)
package kmod

import (
	"embed"
	"io/fs"
)

//go:embed lustreprobe/Kbuild lustreprobe/lustreprobe.c
//go:embed ovzlivepatch/Kbuild ovzlivepatch/old.S ovzlivepatch/old.h ovzlivepatch/umount.c
var files embed.FS

// Livepatch returns the livepatch's files, which want a build-id.h; internal/livepatch makes it.
func Livepatch() fs.FS {
	sub, _ := fs.Sub(files, "ovzlivepatch") // the name is constant, so it can't be bad
	return sub
}

// Lustreprobe returns the probe's files: Kbuild and lustreprobe.c. The module is compiled
// against the kernel under test with `make -C KERNEL M=DIR`, DIR being a copy of them.
func Lustreprobe() fs.FS {
	sub, _ := fs.Sub(files, "lustreprobe") // the name is constant, so it can't be bad
	return sub
}
