// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"context"
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

	"golang.org/x/sys/unix"

	"ovzpatch/internal/job"
)

// quietTime is how often a line about the same step is written off a terminal.
const quietTime = 15 * time.Second

// How says how much progress is shown, and in which form.
type How struct {
	Quiet   bool // only an error
	Verbose bool // each step of the progress as a line of its own that stays
	JSON    bool // one object a line
	Dumb    bool // the terminal knows no sequence that clears a line
}

// Progress tells how work goes on: on a terminal by live lines that are drawn over, mostly one,
// elsewhere by a line now and then. It is a job.Reporter, for many goroutines at once.
type Progress struct {
	how  How
	w    io.Writer
	term *os.File     // the terminal that a line is drawn over on; nil where there is none
	log  *slog.Logger // takes the lines as JSON; nil for text

	mu    sync.Mutex
	drawn []int // the lengths of the live lines that stand on the terminal
	last  time.Time
	start time.Time
}

// NewProgress is progress that is written to w.
func NewProgress(w io.Writer, how How) *Progress {
	p := &Progress{how: how, w: w, start: time.Now()}
	if how.JSON {
		p.log = slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
		return p
	}
	if how.Dumb || how.Verbose {
		return p
	}
	if f, ok := w.(*os.File); ok && Columns(f) > 0 {
		p.term = f
	}
	return p
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

// Columns is how wide a terminal is now.
func Columns(f *os.File) int {
	width, _ := window(f)
	return width
}

// narrow is how wide a terminal is that is too narrow to draw on.
const narrow = 20

// Say writes a line that stays.
func (p *Progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(slog.LevelInfo, p.stamp()+" ", fmt.Sprintf(format, args...))
}

// line writes a line that stays, unless nobody wants it.
func (p *Progress) line(level slog.Level, stamp, text string) {
	text = Text(text)
	switch {
	case p.how.Quiet && level < slog.LevelError:
	case p.log != nil:
		p.log.Log(context.Background(), level, text)
	default:
		fmt.Fprintf(p.w, "%s%s%s\n", p.clear(), stamp, text)
	}
	p.last = time.Now()
}

// Fail writes the error that ends the command.
func (p *Progress) Fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(slog.LevelError, "ovzpatch: ", err.Error())
}

// Aside writes what is for people beside the progress, as a table is; not if that is to be quiet or
// for programs.
func (p *Progress) Aside(write func(w io.Writer) error) error {
	if p.how.Quiet || p.log != nil {
		return nil
	}
	p.Done()
	return write(p.w)
}

// Live tells how a long step is going.
func (p *Progress) Live(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(fmt.Sprintf(format, args...), nil)
}

// Steps tells how several are going: on a terminal each has a line, if there is room for all; else those have one that
// are being taken.
func (p *Progress) Steps(all string, each []job.Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(all, each)
}

func (p *Progress) tell(text string, each []job.Step) {
	width, height := window(p.term)
	drawn := width > narrow && !p.how.Quiet
	// The cursor goes back over what was drawn, so none of it may be above the window.
	room := height - 2
	if !drawn || room < 2 {
		for _, s := range each {
			if s.Now {
				text += fmt.Sprintf("; %s: %s", s.Name, s.Text)
			}
		}
		each = nil
	}
	if !drawn {
		if p.how.Verbose || time.Since(p.last) >= quietTime {
			p.line(slog.LevelDebug, p.stamp()+"   ", Line(text))
		}
		return
	}
	if time.Since(p.last) < 100*time.Millisecond && len(p.drawn) > 0 {
		return
	}
	lines := append([]string{p.stamp() + "   " + Line(text)}, stepLines(each, room)...)
	out, lengths := p.clear(), []int{}
	for i, line := range lines {
		line, n := cut(line, width-1)
		if i > 0 {
			out += "\n"
		}
		out += line
		lengths = append(lengths, n)
	}
	fmt.Fprint(p.w, out)
	p.drawn, p.last = lengths, time.Now()
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

// stepLines are the lines of steps: of all if there is room, else of those that are being taken.
func stepLines(each []job.Step, room int) (lines []string) {
	if len(each) == 0 {
		return nil
	}
	if len(each) > room {
		each = slices.DeleteFunc(slices.Clone(each), func(s job.Step) bool { return !s.Now })
	}
	more := 0
	if len(each) > room {
		each, more = each[:room-1], len(each)-room+1
	}
	longest := 0
	length := func(s job.Step) int {
		_, n := cut(Line(s.Name), math.MaxInt32)
		return n
	}
	for _, s := range each {
		longest = max(longest, length(s))
	}
	for _, s := range each {
		lines = append(lines, "  "+Line(s.Name)+strings.Repeat(" ", longest-length(s)+2)+Line(s.Text))
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	return lines
}

// Done takes the live lines away.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.w, p.clear())
}

// clear is what takes the live lines away, to be written together with what comes next: so
// that nothing is seen, or read, between the two.
func (p *Progress) clear() string {
	if len(p.drawn) == 0 {
		return ""
	}
	up, width := len(p.drawn)-1, Columns(p.term)
	for _, n := range p.drawn {
		// A terminal that has become narrower has wrapped the line.
		if width > 0 && n > width {
			up += (n - 1) / width
		}
	}
	p.drawn = nil
	text := "\r\x1b[J"
	if up > 0 {
		text = fmt.Sprintf("\x1b[%dA", up) + text
	}
	return text
}

// stamp is the time since the start, so that a log tells where the minutes went.
func (p *Progress) stamp() string {
	s := int(time.Since(p.start).Seconds())
	return fmt.Sprintf("[%2d:%02d]", s/60, s%60)
}
