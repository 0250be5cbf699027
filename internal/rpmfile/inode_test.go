// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"io/fs"
	"syscall"
)

func inode(st fs.FileInfo) uint64 { return st.Sys().(*syscall.Stat_t).Ino }
