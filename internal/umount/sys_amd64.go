// SPDX-License-Identifier: Apache-2.0

package umount

import "golang.org/x/sys/unix"

const (
	sysSetresuid = unix.SYS_SETRESUID
	sysSetresgid = unix.SYS_SETRESGID
)

// oldUmount is for 32-bit programs only.
func oldUmount(string) error { return unix.ENOSYS }
