// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestExecOutput(t *testing.T) {
	const before, end = "SeaBIOS\r\n[ 0.1] Linux\r\n" + execBegins + "\r\n", "\r\numounttest: the shell ended with status 0\r\n"
	for console, want := range map[string]string{
		before + "6.1\r\n" + end:                              "6.1\n",
		before + "no newline" + end:                           "no newline\n",
		before + end + "[ 3.1] reboot: Power down\r\n":        "",
		before + "\r\n\r\ntwo\r\n\r\n" + end:                  "\n\ntwo\n\n",
		before + "cut off":                                    "",
		"Kernel panic\r\n":                                    "",
		before + "x\r\n" + end + before + "after the end\r\n": "x\n",
		before + strings.Repeat("y", 3<<20) + end:             strings.Repeat("y", 3<<20) + "\n",
	} {
		for _, size := range []int{1, 7, 1 << 22} {
			var out bytes.Buffer
			o := execOutput{w: &out}
			for rest := []byte(console); len(rest) > 0; {
				n := min(size, len(rest))
				o.Write(rest[:n])
				rest = rest[n:]
			}
			got := out.String()
			if len(want) > 1<<20 { // a line without an end comes in pieces
				got = strings.ReplaceAll(got, "\n", "") + "\n"
			}
			if got != want {
				t.Errorf("%.80q in pieces of %d: %.80q, want %.80q", console, size, got, want)
			}
		}
	}
}

func TestQuote(t *testing.T) {
	if got := quote([]string{"sh", "-c", `echo 'a b' "$x"`, ""}); got != `'sh' '-c' 'echo '\''a b'\'' "$x"' ''` {
		t.Error(got)
	}
}

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
