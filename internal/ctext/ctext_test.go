// SPDX-License-Identifier: Apache-2.0

package ctext

import "testing"

func TestSyscallMacro(t *testing.T) {
	for macro, want := range map[string]string{
		"SYSCALL_DEFINE2":        "sys_",
		"SYSCALL_DEFINE0":        "sys_",
		"COMPAT_SYSCALL_DEFINE5": "compat_sys_",
		"SYSCALL_DEFINE":         "",
		"SYSCALL_DEFINE7":        "", // a system call has six arguments at most
		"SYSCALL_DEFINE22":       "",
		"MY_SYSCALL_DEFINE2":     "",
		"":                       "",
	} {
		prefix, ok := SyscallMacro(macro)
		if prefix != want || ok != (want != "") {
			t.Errorf("SyscallMacro(%q) = %q, %v, want %q", macro, prefix, ok, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []byte("_azAZ") {
		if !NameStart(c) || !NameByte(c) {
			t.Errorf("%q begins no name", c)
		}
	}
	for _, c := range []byte("09") {
		if NameStart(c) || !NameByte(c) {
			t.Errorf("%q: it may be in a name, but not begin one", c)
		}
	}
	for _, c := range []byte(" -.`@[{/:\x00\xe9") {
		if NameByte(c) {
			t.Errorf("%q is in a name", c)
		}
	}
}
