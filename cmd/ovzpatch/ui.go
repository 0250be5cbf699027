// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/terminal"
)

// quietTime is how often a line about the same step is written off a terminal.
const quietTime = 15 * time.Second

// ui is what goes to standard error: on a terminal one live line that is drawn over,
// elsewhere a line now and then.
type ui struct {
	w    io.Writer
	term *os.File // the terminal that a line is drawn over on; nil where there is none

	mu    sync.Mutex
	live  bool // a live line stands on the terminal
	drawn int  // its length
	last  time.Time
	start time.Time
}

func newUI(w io.Writer) *ui {
	u := &ui{w: w, start: time.Now()}
	// A dumb terminal does not know the sequence that clears a line.
	if term := os.Getenv("TERM"); term == "" || term == "dumb" {
		return u
	}
	if f, ok := w.(*os.File); ok && columns(f) > narrow {
		u.term = f
	}
	return u
}

// columns is how wide a terminal is now: its user may change that at any time. 0 is for
// what is no terminal.
func columns(f *os.File) int {
	if f == nil {
		return 0
	}
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(ws.Col)
}

// narrow is how wide a terminal is that is too narrow to draw on.
const narrow = 20

// Say writes a line that stays.
func (u *ui) Say(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprintf(u.w, "%s%s %s\n", u.clear(), u.stamp(), terminal.Text(fmt.Sprintf(format, args...)))
	u.last = time.Now()
}

// Live tells how a long step is going.
func (u *ui) Live(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	line := u.stamp() + "   " + terminal.Text(fmt.Sprintf(format, args...))
	width := columns(u.term)
	if width <= narrow {
		if time.Since(u.last) >= quietTime {
			fmt.Fprintln(u.w, u.clear()+line)
			u.last = time.Now()
		}
		return
	}
	if time.Since(u.last) < 100*time.Millisecond && u.live {
		return
	}
	if r := []rune(line); len(r) >= width {
		line = string(r[:width-1])
	}
	fmt.Fprint(u.w, u.clear()+line)
	u.drawn = len([]rune(line))
	u.live, u.last = true, time.Now()
}

// Done takes the live line away.
func (u *ui) Done() {
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprint(u.w, u.clear())
}

// clear is what takes the live line away, to be written together with what comes next: so
// that nothing is seen, or read, between the two.
func (u *ui) clear() string {
	if !u.live {
		return ""
	}
	u.live = false
	up := ""
	// A terminal that has become narrower has wrapped the line.
	if width := columns(u.term); width > 0 && u.drawn > width {
		up = fmt.Sprintf("\x1b[%dA", (u.drawn-1)/width)
	}
	return up + "\r\x1b[J"
}

// stamp is the time since the start, so that a log tells where the minutes went.
func (u *ui) stamp() string {
	s := int(time.Since(u.start).Seconds())
	return fmt.Sprintf("[%2d:%02d]", s/60, s%60)
}

// printJSON writes a result for programs.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
