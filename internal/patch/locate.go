// SPDX-License-Identifier: Apache-2.0

package patch

// search places the hunks of one file one after the other, as GNU patch does.
type search struct {
	text *text
	// frozen is the last line that an earlier hunk changed; no later hunk may reach it.
	frozen int
	// drift is how far the last hunk was from where its header says; we expect the next one to be
	// as far off.
	drift int
}

// find returns the line at which h fits, from 1, and how many context lines it left out at each
// end for that, at most maxFuzz. It tries the expected line, then lines farther and farther from
// it, down before up, and only then more fuzz. ok is false if h fits nowhere.
func (s *search) find(h *hunk, maxFuzz int) (where, fuzz int, ok bool) {
	maxFuzz = min(maxFuzz, max(h.lead, h.trail))
	for fuzz = 0; fuzz <= maxFuzz; fuzz++ {
		if where, ok := s.nearest(h, fuzz); ok {
			return where, fuzz, true
		}
	}
	return 0, 0, false
}

// window is where a hunk may match with a given fuzz.
type window struct {
	expected   int
	low, high  int // lines at which it may start
	skip, keep int // the part of h.old to compare is old[skip:keep]
}

// window returns the limits. If a hunk has less context at one end than at the other, the end of
// the file cut it short there, so it must match at that end. Fuzz loosens this because it
// shortens the longer side.
func (s *search) window(h *hunk, fuzz int) (w window, ok bool) {
	context := max(h.lead, h.trail)
	skip, cut := fuzz+h.lead-context, fuzz+h.trail-context
	w = window{
		expected: h.first + s.drift,
		low:      s.frozen + 1,
		skip:     max(skip, 0), keep: len(h.old) - max(cut, 0),
	}
	w.high = s.text.count() - w.keep + 1
	atStart := skip < 0 && h.first <= 1
	atEnd := cut < 0
	// Less context above ties a hunk to the start only if the hunk is there, not in the middle of a file.
	switch {
	case atStart && atEnd:
		return w, false
	case atStart:
		w.low, w.high = max(w.low, 1), min(w.high, 1)
	case atEnd:
		last := s.text.count() - len(h.old) + 1
		w.low, w.high = max(w.low, last), min(w.high, last)
	}
	w.low = max(w.low, 1)
	return w, true
}

// nearest finds the match nearest to the expected line.
func (s *search) nearest(h *hunk, fuzz int) (int, bool) {
	if len(h.old) == 0 {
		// There is nothing to compare: only the line number says where it goes.
		return h.first + s.drift, h.first+s.drift > s.frozen && h.first+s.drift <= s.text.count()+1
	}
	w, ok := s.window(h, fuzz)
	if !ok || w.low > w.high {
		return 0, false
	}
	start := 0
	if w.expected > w.high {
		start = w.expected - w.high
	} else if w.expected < w.low {
		start = w.low - w.expected
	}
	for d := start; w.expected+d <= w.high || w.expected-d >= w.low; d++ {
		if at := w.expected + d; at >= w.low && at <= w.high && s.matches(h, at, w) {
			return at, true
		}
		if at := w.expected - d; at >= w.low && at <= w.high && s.matches(h, at, w) {
			return at, true
		}
	}
	return 0, false
}

// everywhere returns all lines at which h matches with the given fuzz.
func (s *search) everywhere(h *hunk, fuzz int) []int {
	var all []int
	w, ok := s.window(h, fuzz)
	if !ok {
		return nil
	}
	for at := w.low; at <= w.high; at++ {
		if s.matches(h, at, w) {
			all = append(all, at)
		}
	}
	return all
}

// matches compares old[skip:keep] with the file when old[0] lies at line at.
func (s *search) matches(h *hunk, at int, w window) bool {
	if at+w.keep-1 > s.text.count() {
		return false
	}
	for i := w.skip; i < w.keep; i++ {
		if string(s.text.line(at+i)) != h.old[i] {
			return false
		}
	}
	return true
}

// place records for the next hunks that h is at line where.
func (s *search) place(h *hunk, where int) {
	s.drift = where - h.first
	s.frozen = max(s.frozen, where+h.lastChange()-1)
}
