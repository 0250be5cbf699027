// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls without 32 in their names take ids of 16 bits.
const (
	sysSetresuid = unix.SYS_SETRESUID32
	sysSetresgid = unix.SYS_SETRESGID32
)

// oldUmount is umount(2), which takes no flags.
func oldUmount(path string) error {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	if _, _, e := unix.Syscall(unix.SYS_UMOUNT, uintptr(unsafe.Pointer(p)), 0, 0); e != 0 {
		return e
	}
	return nil
}
