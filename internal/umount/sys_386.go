// SPDX-License-Identifier: GPL-2.0-only

package umount

import "golang.org/x/sys/unix"

// The calls without 32 take 16 bit ids.
const (
	sysSetresuid = unix.SYS_SETRESUID32
	sysSetresgid = unix.SYS_SETRESGID32
)
