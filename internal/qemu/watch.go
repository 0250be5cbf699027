// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"errors"
	"time"

	"ovzpatch/internal/guest"
)

// watch holds what is known about a running boot. It uses no clock, process or pipe; it knows
// only what it is told.
type watch struct {
	limits    Limits
	started   time.Time
	console   consoleText
	lastByte  time.Time // of the console
	lastNews  time.Time // the start, or the last event
	settled   time.Time // when the outcome became known; zero before
	events    []guest.Event
	done      bool
	decodeErr error   // of the event stream
	expired   Outcome // the limit that ran out
	exited    time.Time
	exitErr   error // of QEMU
}

func newWatch(l Limits, now time.Time) *watch {
	return &watch{limits: l, started: now, lastNews: now}
}

func (w *watch) consoleBytes(p []byte, now time.Time) {
	w.lastByte = now
	w.console.write(p)
	if w.console.fatal() {
		w.settle(now)
	}
}

func (w *watch) event(e guest.Event, now time.Time) {
	w.events = append(w.events, e)
	w.lastNews = now
	if e.Done != nil {
		w.done = true
		w.settle(now)
	}
}

// streamEnded takes the decoder's last error. A stream that merely stops says nothing yet: QEMU
// is ending, and the console says why.
func (w *watch) streamEnded(err error, now time.Time) {
	w.decodeErr = err
	if err != nil && !errors.Is(err, guest.ErrNoDone) {
		w.settle(now)
	}
}

func (w *watch) settle(now time.Time) {
	if w.settled.IsZero() {
		w.settled = now
	}
}

// deadline returns when the next limit expires if nothing happens before.
func (w *watch) deadline() time.Time {
	t := w.started.Add(w.limits.Total)
	earlier := func(u time.Time) {
		if u.Before(t) {
			t = u
		}
	}
	if !w.settled.IsZero() {
		earlier(w.settled.Add(w.limits.Settle))
		return t
	}
	if w.console.size == 0 {
		earlier(w.started.Add(w.limits.Silent))
	}
	earlier(w.lastNews.Add(w.limits.Progress))
	return t
}

// expire records which limit ran out at the deadline. A known outcome stays: what QEMU prints
// while it is being stopped must not change it.
func (w *watch) expire(now time.Time) {
	switch {
	case !w.settled.IsZero() || w.expired != "":
	case w.console.size == 0:
		w.expired = Silent
	case !now.Before(w.started.Add(w.limits.Total)):
		w.expired = TimedOut
	case now.Sub(w.lastByte) < w.limits.Progress/3:
		w.expired = Chattering
	default:
		w.expired = Hung
	}
}

// outcome judges when everything has ended. What the kernel said about itself comes first: a
// crash after the done, or in the middle of an event's line, is still a crash.
func (w *watch) outcome() Outcome {
	w.console.end()
	lost := w.decodeErr != nil && !errors.Is(w.decodeErr, guest.ErrNoDone)
	switch {
	case w.console.fatal():
		return w.console.finding.Outcome
	case w.done && !lost:
		return Done
	case w.expired != "":
		return w.expired
	case w.exitErr != nil && w.console.size == 0:
		return NotStarted
	case w.exitErr != nil:
		return Died
	case lost:
		return LostResults
	case w.console.size == 0:
		return Silent
	}
	return EndedEarly
}
