// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/job"
)

// progress is how far the cells of a call are. The engine tells it what begins and ends.
type progress struct {
	cells    []*Cell // to be done
	report   job.Reporter
	estimate *estimate
	now      func() time.Time

	steps map[*Cell]*step
	ended int
	most  int // the largest number of cells at a time so far
}

// step is how far one cell is.
type step struct {
	begun time.Time // zero before that
	log   string    // path of its log, "" if unknown
	place string    // where it runs or why it waits, in a few words
	ended bool
	text  string // its outcome
}

func (w *Work) progress(cells []*Cell, u job.Reporter) *progress {
	p := &progress{cells: cells, report: u, estimate: w.newEstimate(), now: time.Now, steps: map[*Cell]*step{}}
	for _, c := range cells {
		p.steps[c] = &step{}
	}
	return p
}

// begin notes that a cell has begun.
func (p *progress) begin(c *Cell, log, place string) {
	s := p.steps[c]
	if s.begun.IsZero() {
		s.begun = p.now()
	}
	s.log, s.place = log, place
}

// wait notes that a cell waits, or waits again.
func (p *progress) wait(c *Cell, place string) {
	*p.steps[c] = step{place: place}
}

// end notes the outcome of a cell; r is nil if there is none.
func (p *progress) end(c *Cell, outcome string, r *Result) {
	s := p.steps[c]
	s.ended, s.text = true, outcome
	p.ended++
	if r != nil {
		p.estimate.add(r)
		s.text += ", " + took(r.Seconds)
	}
}

// tell reports the state of all cells.
func (p *progress) tell() {
	running, waiting := 0, map[string]int{}
	var each []job.Step
	for _, c := range p.cells {
		s := p.steps[c]
		now := !s.ended && !s.begun.IsZero()
		switch {
		case now:
			running++
		case !s.ended && s.place != "":
			waiting[s.place]++
		}
		each = append(each, job.Step{Name: c.Name, Text: p.text(c, s), Now: now})
	}
	all := []string{fmt.Sprintf("%d of %d cells done, %d running", p.ended, len(p.cells), running)}
	for _, why := range slices.Sorted(maps.Keys(waiting)) {
		all = append(all, fmt.Sprintf("%d waiting (%s)", waiting[why], why))
	}
	p.most = max(p.most, running)
	if left := p.left(); left != "" {
		all = append(all, left)
	}
	p.report.Steps(strings.Join(all, ", "), each)
}

// text describes how far a cell is.
func (p *progress) text(c *Cell, s *step) string {
	about, _ := p.estimate.of(c)
	switch {
	case s.ended:
		return s.text
	case s.begun.IsZero():
		text := "waits"
		if s.place != "" {
			text += " (" + s.place + ")"
		}
		if about > 0 {
			text += ", may take " + took(about)
		}
		return text
	}
	since := p.now().Sub(s.begun).Seconds()
	text := took(since)
	switch {
	case about > since:
		text += ", about " + took(about-since) + " left"
	case about > 0:
		text += ", longer than the " + took(about) + " reckoned"
	}
	if s.place != "" {
		text += ", " + s.place
	}
	if last := lastLine(s.log); last != "" {
		text += ": " + last
	}
	return text
}

// left estimates how long the remaining cells take, if as many run at a time as before; "" is unknown.
func (p *progress) left() string {
	var sum, longest float64
	for _, c := range p.cells {
		s := p.steps[c]
		if s.ended {
			continue
		}
		about, _ := p.estimate.of(c)
		if about == 0 {
			return ""
		}
		if !s.begun.IsZero() {
			about = max(0, about-p.now().Sub(s.begun).Seconds())
		}
		sum, longest = sum+about, max(longest, about)
	}
	if sum == 0 {
		return ""
	}
	return "about " + took(max(longest, sum/float64(max(1, p.most)))) + " left"
}

// took writes a time for people, in minutes and seconds.
func took(seconds float64) string {
	s := int(seconds + 0.5)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// stamp matches the time at the start of a line of progress.
var stamp = regexp.MustCompile(`^\[ *\d+:\d\d\] *`)

// lastLine returns the last complete line of a log without its time, "" if there is none.
func lastLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const far = 4096
	if st, err := f.Stat(); err == nil && st.Size() > far {
		if _, err := f.Seek(-far, io.SeekEnd); err != nil {
			return ""
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, far))
	end := bytes.LastIndexByte(data, '\n')
	if err != nil || end < 0 {
		return ""
	}
	last := data[bytes.LastIndexByte(data[:end], '\n')+1 : end]
	return string(stamp.ReplaceAll(last, nil))
}
