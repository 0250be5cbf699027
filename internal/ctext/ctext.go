// SPDX-License-Identifier: Apache-2.0

// Package ctext knows the few words of C that both placing a patch and reading its hook need.
package ctext

import "strings"

// NameStart reports whether a name in C may begin with c.
func NameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// NameByte reports whether c may be in a name in C.
func NameByte(c byte) bool { return NameStart(c) || c >= '0' && c <= '9' }

// SyscallMacro reports whether a macro of the kernel defines a system call, and returns what the
// macro puts before the call's name to make the function's: SYSCALL_DEFINE2(umount, ...) is sys_umount.
func SyscallMacro(macro string) (prefix string, ok bool) {
	for begin, prefix := range map[string]string{"SYSCALL_DEFINE": "sys_", "COMPAT_SYSCALL_DEFINE": "compat_sys_"} {
		count, found := strings.CutPrefix(macro, begin)
		if found && len(count) == 1 && count[0] >= '0' && count[0] <= '6' {
			return prefix, true
		}
	}
	return "", false
}
