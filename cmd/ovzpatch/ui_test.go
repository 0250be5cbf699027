// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ovzpatch/internal/testutil"
)

// Colours are for a terminal whose owner wants them.
func TestColours(t *testing.T) {
	_, tty := testutil.Terminal(t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		term, no, form string
		w              io.Writer
		want           bool
	}{
		{"xterm", "", logText, tty, true},
		{"xterm", "1", logText, tty, false},
		{"dumb", "", logText, tty, false},
		{"", "", logText, tty, false},
		{"xterm", "", logJSON, tty, false},
		{"xterm", "", logText, io.Discard, false},
	} {
		t.Setenv("TERM", tt.term)
		t.Setenv("NO_COLOR", tt.no)
		c := &cobra.Command{}
		(&progressFlags{}).register(c)
		c.PersistentFlags().Set("log-format", tt.form)
		c.Flags().AddFlagSet(c.PersistentFlags())
		if got := colours(c, tt.w); got != tt.want {
			t.Errorf("%+v: colours %t", tt, got)
		}
	}
}
