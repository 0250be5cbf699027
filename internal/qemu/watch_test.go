// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"errors"
	"testing"
	"time"

	"ovzpatch/internal/guest"
)

// What becomes of a boot, without a boot: seconds are of a clock that is told.
func TestWatch(t *testing.T) {
	limits := Limits{Silent: 10 * time.Second, Progress: 30 * time.Second, Total: 100 * time.Second, Settle: 5 * time.Second}
	zero := time.Unix(1000, 0)
	at := func(s float64) time.Time { return zero.Add(time.Duration(s * float64(time.Second))) }
	type step func(*watch)
	says := func(s float64, text string) step { return func(w *watch) { w.consoleBytes([]byte(text), at(s)) } }
	event := func(s float64, e guest.Event) step { return func(w *watch) { w.event(e, at(s)) } }
	ends := func(s float64, err error) step { return func(w *watch) { w.streamEnded(err, at(s)) } }
	expire := func(s float64) step { return func(w *watch) { w.expire(at(s)) } }
	exit := func(err error) step { return func(w *watch) { w.exitErr = err } }
	hello, done := guest.Event{Hello: &guest.Hello{}}, guest.Event{Done: &guest.Done{}}
	gap, died := errors.New("a gap"), errors.New("exit status 1")
	const boots, panics = "Linux version\n", "Kernel panic - not syncing: x\n"

	tests := map[string]struct {
		steps    []step
		deadline float64 // seconds from the start, after all steps
		want     Outcome
	}{
		"nothing at all":              {[]step{expire(10)}, 10, Silent},
		"nothing, and QEMU ends":      {[]step{ends(1, guest.ErrNoDone)}, 10, Silent},
		"refused":                     {[]step{ends(0, guest.ErrNoDone), exit(died)}, 10, NotStarted},
		"died under way":              {[]step{says(1, boots), ends(2, guest.ErrNoDone), exit(died)}, 30, Died},
		"killed in an event's line":   {[]step{says(1, boots), ends(2, gap), exit(died)}, 7, Died},
		"quiet":                       {[]step{says(1, boots), expire(30)}, 30, Hung},
		"quiet, then ended":           {[]step{says(1, boots), expire(30), says(31, "x"), expire(31)}, 30, Hung},
		"quiet after hello":           {[]step{says(1, boots), event(4, hello), expire(34)}, 34, Hung},
		"babble":                      {[]step{says(1, boots), says(29, "x"), expire(30)}, 30, Chattering},
		"slow":                        {[]step{says(1, boots), event(29, hello), event(58, hello), event(87, hello), expire(100)}, 100, TimedOut},
		"panic":                       {[]step{says(1, boots), says(3, panics), says(4, "trace"), ends(5, guest.ErrNoDone)}, 8, Panic},
		"panic that hangs":            {[]step{says(1, boots), says(3, panics), expire(8)}, 8, Panic},
		"panic that cuts an event":    {[]step{says(1, boots), ends(3, gap), says(3.5, panics)}, 8, Panic},
		"panic on an unfinished line": {[]step{says(1, boots+panics[:len(panics)-1]), ends(2, guest.ErrNoDone)}, 30, Panic},
		"panic after done":            {[]step{says(1, boots), event(2, hello), event(3, done), says(4, panics)}, 8, Panic},
		"gap":                         {[]step{says(1, boots), ends(3, gap), expire(8)}, 8, LostResults},
		"more after done":             {[]step{says(1, boots), event(2, done), ends(3, gap)}, 7, LostResults},
		"power off":                   {[]step{says(1, boots), event(2, hello), ends(3, guest.ErrNoDone)}, 32, EndedEarly},
		"done":                        {[]step{says(1, boots), event(2, hello), event(3, done), ends(4, nil)}, 8, Done},
		"done, no power off":          {[]step{says(1, boots), event(2, hello), event(3, done), expire(8)}, 8, Done},
		"done, QEMU fails at the end": {[]step{says(1, boots), event(3, done), ends(4, nil), exit(died)}, 8, Done},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWatch(limits, zero)
			for _, s := range tt.steps {
				s(w)
			}
			if got := w.deadline().Sub(zero).Seconds(); got != tt.deadline {
				t.Errorf("deadline %v s, want %v s", got, tt.deadline)
			}
			if got := w.outcome(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Every outcome but done tells what to do.
func TestNext(t *testing.T) {
	for _, o := range []Outcome{NotStarted, Died, Silent, Panic, Oops, Hung, Chattering, LostResults, EndedEarly, TimedOut} {
		if next[o] == "" {
			t.Errorf("no advice for %q", o)
		}
	}
}
