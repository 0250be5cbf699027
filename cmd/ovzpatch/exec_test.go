// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
)

// Real guests: the output is the command's alone, and its status arrives.
func TestExec(t *testing.T) {
	long(t)
	kernel := testKernel(t, "kernel-ovz-")
	for _, tt := range []struct {
		args   []string
		stdout string
		code   int
	}{
		{[]string{"--", "echo", "it's", "a  b"}, "it's a  b\n", 0},
		{[]string{"--", "gosh", "-c", "exit 7"}, "", 7},
		{[]string{"--memory=256M", "--cpus=2", "--qemu-arg=-name", "--qemu-arg=guest", "--", "gosh", "-c", "grep -c ^processor /proc/cpuinfo"}, "2\n", 0},
		{[]string{"--", "no-such-command"}, "", 127},
	} {
		stdout, stderr, code := ovzpatch(t, append([]string{"exec", kernel}, tt.args...)...)
		if tt.code == 127 {
			stdout = "" // the shell's message is on the same console
		}
		if stdout != tt.stdout || code != tt.code {
			t.Errorf("%q: exit code %d, output %q, want %d and %q\n%s", tt.args, code, stdout, tt.code, tt.stdout, stderr)
		}
	}
}
