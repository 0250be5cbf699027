// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/job"
	"ovzpatch/internal/testutil"

	"golang.org/x/sys/unix"
)

func TestSayCannotCommandATerminal(t *testing.T) {
	var b strings.Builder
	u := NewProgress(&b, How{})
	u.Say("guest: %s", "\x1b]0;owned\a\u009bm\r\nnext\tline")
	got := b.String()
	if strings.ContainsAny(got, "\x1b\a\r\u009b") || !strings.Contains(got, "]0;owned") || !strings.Contains(got, "\nnext\tline\n") {
		t.Errorf("%q", got)
	}
}

// What --quiet, --verbose and --log-format make of the same progress and error.
func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		how  How
		want string // without times
	}{
		{How{}, "TIME said\novzpatch: no\n"},
		{How{Quiet: true}, "ovzpatch: no\n"},
		{How{Verbose: true}, "TIME said\nTIME   step 1\nTIME   step 2\novzpatch: no\n"},
		{How{JSON: true}, `{"time":"","level":"INFO","msg":"said"}` + "\n" + `{"time":"","level":"ERROR","msg":"no"}` + "\n"},
		{How{JSON: true, Quiet: true}, `{"time":"","level":"ERROR","msg":"no"}` + "\n"},
		{How{JSON: true, Verbose: true}, `{"time":"","level":"INFO","msg":"said"}
{"time":"","level":"DEBUG","msg":"step 1"}
{"time":"","level":"DEBUG","msg":"step 2"}
{"time":"","level":"ERROR","msg":"no"}
`},
	} {
		var b strings.Builder
		u := NewProgress(&b, tt.how)
		u.Say("said")
		u.Live("step 1")
		u.Live("step 2")
		u.Done()
		u.Fail(errors.New("no"))
		got := regexp.MustCompile(`\[ \d:\d\d\]`).ReplaceAllString(b.String(), "TIME")
		got = regexp.MustCompile(`"time":"[^"]+"`).ReplaceAllString(got, `"time":""`)
		if got != tt.want {
			t.Errorf("%+v: got\n%s want\n%s", tt.how, got, tt.want)
		}
	}
}

// A dumb terminal gets no sequences, and one whose width changes a line that fits.
func TestLiveLineFitsTheTerminal(t *testing.T) {
	user, tty := testutil.Terminal(t)
	width := func(n uint16) {
		t.Helper()
		if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: n, Row: 24}); err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		t.Helper()
		b := make([]byte, 4096)
		n, err := user.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	long := strings.Repeat("x", 200)
	width(120)
	u := NewProgress(tty, How{Dumb: true})
	u.last = u.last.Add(-quietTime)
	u.Live("%s", long)
	if got := read(); strings.Contains(got, "\x1b") || !strings.HasSuffix(got, "\n") {
		t.Errorf("dumb terminal: %q", got)
	}
	u = NewProgress(tty, How{})
	u.Live("%s", long)
	if got := read(); len(got) != 119 {
		t.Errorf("%d columns of 120: %q", len(got), got)
	}
	width(40)
	u.last = u.start.Add(-quietTime)
	u.Live("%s", long)
	if got := read(); got != "\x1b[2A\r\x1b[J[ 0:00]   "+strings.Repeat("x", 29) {
		t.Errorf("narrower: %q", got)
	}
	width(15)
	u.last = u.start.Add(-quietTime)
	u.Live("case 2")
	if got := read(); got != "\x1b[2A\r\x1b[J[ 0:00]   case 2\r\n" {
		t.Errorf("too narrow to draw on: %q", got)
	}
}

// Steps have a line each where there is room for all, else those that are being taken; off a terminal all stand in one line.
func TestStepsFitTheTerminal(t *testing.T) {
	user, tty := testutil.Terminal(t)
	steps := []job.Step{
		{Name: "a", Text: "protected"},
		{Name: "b\x1b[2J", Text: "0:10:\tone\ntwo", Now: true},
		{Name: "long", Text: "0:11", Now: true},
		{Name: "内核", Text: "waits"},
	}
	screen, all := testutil.NewScreen(), ""
	go io.Copy(screen, user)
	var u *Progress
	for _, tt := range []struct {
		width, height uint16
		want          string
	}{
		{30, 24, "[ 0:00]   1 of 4\r\n  a      protected\r\n  b\uFFFD[2J  0:10: one two\r\n  long   0:11\r\n  内核   waits"},
		// Cut to the new width: up over those four lines, of which one has become two.
		{21, 24, "\x1b[5A\r\x1b[J[ 0:00]   1 of 4\r\n  a      protected\r\n  b\uFFFD[2J  0:10: one t\r\n  long   0:11\r\n  内核   waits"},
		{80, 5, "\x1b[4A\r\x1b[J[ 0:00]   1 of 4\r\n  b\uFFFD[2J  0:10: one two\r\n  long   0:11"},
		{80, 4, "\x1b[2A\r\x1b[J[ 0:00]   1 of 4\r\n  b\uFFFD[2J  0:10: one two\r\n  long   0:11"},
		// Too low for lines of their own; and one that does not say how high it is.
		{80, 3, "\x1b[2A\r\x1b[J[ 0:00]   1 of 4; b\uFFFD[2J: 0:10: one two; long: 0:11"},
		{80, 0, "\r\x1b[J[ 0:00]   1 of 4; b\uFFFD[2J: 0:10: one two; long: 0:11"},
	} {
		if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: tt.width, Row: tt.height}); err != nil {
			t.Fatal(err)
		}
		if u == nil {
			u = NewProgress(tty, How{})
		}
		u.last = u.start.Add(-quietTime)
		u.Steps("1 of 4", steps)
		all += tt.want
		for end := time.Now().Add(10 * time.Second); screen.String() != all; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d columns, %d lines: %q, must be %q", tt.width, tt.height, screen, all)
			}
		}
	}
	many := append(slices.Clone(steps), job.Step{Name: "d", Now: true})
	if got := stepLines(many, 2); !slices.Equal(got, []string{"  b\uFFFD[2J  0:10: one two", "  and 2 more"}) {
		t.Errorf("%q", got)
	}
	var b strings.Builder
	u = NewProgress(&b, How{})
	u.last = u.start.Add(-quietTime)
	u.Steps("1 of 4", steps)
	u.Steps("2 of 4", steps) // too early
	if want := "[ 0:00]   1 of 4; b\uFFFD[2J: 0:10: one two; long: 0:11\n"; b.String() != want {
		t.Errorf("off a terminal: %q, must be %q", b.String(), want)
	}
}
