// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"strings"
	"testing"
)

func TestSayCannotCommandATerminal(t *testing.T) {
	var b strings.Builder
	u := newUI(&b)
	u.Say("guest: %s", "\x1b]0;owned\a\u009bm\r\nnext\tline")
	got := b.String()
	if strings.ContainsAny(got, "\x1b\a\r\u009b") || !strings.Contains(got, "]0;owned") || !strings.Contains(got, "\nnext\tline\n") {
		t.Errorf("%q", got)
	}
}
