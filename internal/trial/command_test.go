// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"bytes"
	"strings"
	"testing"
)

func TestCommandOutput(t *testing.T) {
	const before, end = "SeaBIOS\r\n[ 0.1] Linux\r\n" + commandBegins + "\r\n", "\r\numounttest: the shell ended with status 0\r\n"
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
			o := commandOutput{w: &out}
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
