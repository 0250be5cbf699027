// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/terminal"
)

// quietTime is how often a line about the same step is written off a terminal.
const quietTime = 15 * time.Second

// progressFlags say how much goes to standard error, and in which form.
type progressFlags struct {
	quiet, verbose bool
	format         string
}

// What --log-format takes.
const (
	logText = "text"
	logJSON = "json"
)

func (f *progressFlags) register(c *cobra.Command) {
	c.PersistentFlags().BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error, only an error")
	c.PersistentFlags().BoolVarP(&f.verbose, "verbose", "v", false, "each step of the progress as a line of its own that stays")
	c.PersistentFlags().StringVar(&f.format, "log-format", logText, "the form of the progress: text, or json, one object a line")
	c.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{logText, logJSON}, cobra.ShellCompDirectiveNoFileComp))
}

func (f *progressFlags) check() error {
	if f.quiet && f.verbose {
		return usage(fmt.Errorf("--quiet and --verbose: choose one"))
	}
	if f.format != logText && f.format != logJSON {
		return usage(fmt.Errorf("--log-format=%s: it must be %s or %s", f.format, logText, logJSON))
	}
	return nil
}

// ui is what goes to standard error: on a terminal live lines that are drawn over, mostly one, elsewhere a
// line now and then.
type ui struct {
	progressFlags
	w    io.Writer
	term *os.File     // the terminal that a line is drawn over on; nil where there is none
	log  *slog.Logger // takes the lines as JSON; nil for text

	mu    sync.Mutex
	drawn []int // the lengths of the live lines that stand on the terminal
	last  time.Time
	start time.Time
}

// newUI is the progress of a command, as its flags want it.
func newUI(c *cobra.Command) *ui {
	f := progressFlags{format: logText}
	f.quiet, _ = c.Flags().GetBool("quiet") // a command of a test may lack them
	f.verbose, _ = c.Flags().GetBool("verbose")
	if form, err := c.Flags().GetString("log-format"); err == nil {
		f.format = form
	}
	return f.on(c.ErrOrStderr())
}

func (f progressFlags) on(w io.Writer) *ui {
	u := &ui{progressFlags: f, w: w, start: time.Now()}
	if f.format == logJSON {
		u.log = slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
		return u
	}
	if dumb() || f.verbose {
		return u
	}
	if f, ok := w.(*os.File); ok && columns(f) > 0 {
		u.term = f
	}
	return u
}

// dumb tells of a terminal that knows no sequences: none that clears a line, and none that colours it.
func dumb() bool {
	term := os.Getenv("TERM")
	return term == "" || term == "dumb"
}

// colours tells whether a command may colour what it writes to w. Every word can be read without.
func colours(c *cobra.Command, w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || dumb() || os.Getenv("NO_COLOR") != "" || columns(f) == 0 {
		return false
	}
	form, err := c.Flags().GetString("log-format")
	return err == nil && form == logText
}

// window is how large a terminal is now: its user may change that at any time. 0 is for
// what is no terminal.
func window(f *os.File) (width, height int) {
	if f == nil {
		return 0, 0
	}
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(ws.Col), int(ws.Row)
}

// columns is how wide a terminal is now.
func columns(f *os.File) int {
	width, _ := window(f)
	return width
}

// narrow is how wide a terminal is that is too narrow to draw on.
const narrow = 20

// Say writes a line that stays.
func (u *ui) Say(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.line(slog.LevelInfo, u.stamp()+" ", fmt.Sprintf(format, args...))
}

// line writes a line that stays, unless nobody wants it.
func (u *ui) line(level slog.Level, stamp, text string) {
	text = terminal.Text(text)
	switch {
	case u.quiet && level < slog.LevelError:
	case u.log != nil:
		u.log.Log(context.Background(), level, text)
	default:
		fmt.Fprintf(u.w, "%s%s%s\n", u.clear(), stamp, text)
	}
	u.last = time.Now()
}

// Fail writes the error that ends the command.
func (u *ui) Fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.line(slog.LevelError, "ovzpatch: ", err.Error())
}

// Contents says what is in packages.
func (u *ui) Contents(list []*kernelrpm.Contents) error {
	if u.quiet || u.log != nil {
		return nil
	}
	u.Done()
	return contentsTable(u.w, list)
}

// Live tells how a long step is going.
func (u *ui) Live(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tell(fmt.Sprintf(format, args...), nil)
}

// Steps tells how several are going: on a terminal each has a line, if there is room for all; else those have one that
// are being taken.
func (u *ui) Steps(all string, each []job.Step) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tell(all, each)
}

func (u *ui) tell(text string, each []job.Step) {
	width, height := window(u.term)
	if width <= narrow || u.quiet {
		if u.verbose || time.Since(u.last) >= quietTime {
			for _, s := range each {
				if s.Now {
					text += fmt.Sprintf("; %s: %s", s.Name, s.Text)
				}
			}
			u.line(slog.LevelDebug, u.stamp()+"   ", terminal.Line(text))
		}
		return
	}
	if time.Since(u.last) < 100*time.Millisecond && len(u.drawn) > 0 {
		return
	}
	// The cursor goes back over what was drawn, so none of it may be above the window.
	lines := append([]string{u.stamp() + "   " + terminal.Line(text)}, stepLines(each, height-2)...)
	out, drawn := u.clear(), []int{}
	for i, line := range lines {
		line, n := cut(line, width-1)
		if i > 0 {
			out += "\n"
		}
		out += line
		drawn = append(drawn, n)
	}
	fmt.Fprint(u.w, out)
	u.drawn, u.last = drawn, time.Now()
}

// cut returns the beginning of a line that has room in so many columns, and how many it takes. All that may be
// wide on a terminal counts as that.
func cut(line string, columns int) (string, int) {
	n := 0
	for i, r := range line {
		wide := 1
		if r >= 0x1100 && r != unicode.ReplacementChar {
			wide = 2
		}
		if n+wide > columns {
			return line[:i], n
		}
		n += wide
	}
	return line, n
}

// stepLines are the lines of steps, for which there is some room.
func stepLines(each []job.Step, room int) (lines []string) {
	if len(each) > room {
		each = slices.DeleteFunc(slices.Clone(each), func(s job.Step) bool { return !s.Now })
	}
	more := 0
	if len(each) > room {
		keep := max(0, room-1)
		each, more = each[:keep], len(each)-keep
	}
	longest := 0
	length := func(s job.Step) int {
		_, n := cut(terminal.Line(s.Name), math.MaxInt32)
		return n
	}
	for _, s := range each {
		longest = max(longest, length(s))
	}
	for _, s := range each {
		lines = append(lines, "  "+terminal.Line(s.Name)+strings.Repeat(" ", longest-length(s)+2)+terminal.Line(s.Text))
	}
	if more > 0 && room > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	return lines
}

// Done takes the live lines away.
func (u *ui) Done() {
	u.mu.Lock()
	defer u.mu.Unlock()
	fmt.Fprint(u.w, u.clear())
}

// clear is what takes the live lines away, to be written together with what comes next: so
// that nothing is seen, or read, between the two.
func (u *ui) clear() string {
	if len(u.drawn) == 0 {
		return ""
	}
	up, width := len(u.drawn)-1, columns(u.term)
	for _, n := range u.drawn {
		// A terminal that has become narrower has wrapped the line.
		if width > 0 && n > width {
			up += (n - 1) / width
		}
	}
	u.drawn = nil
	text := "\r\x1b[J"
	if up > 0 {
		text = fmt.Sprintf("\x1b[%dA", up) + text
	}
	return text
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
