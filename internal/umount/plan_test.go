// SPDX-License-Identifier: GPL-2.0-only

package umount

import (
	"context"
	"errors"
	"testing"
	"time"
)

var twoBackends = []Backend{{Name: "namespaces", Gate: Open}, {Name: "userns", Gate: Closed}}

func TestPlanHasEveryCaseOnce(t *testing.T) {
	want := map[string]bool{}
	for _, c := range Cases() {
		for _, b := range append([]Backend{hostBackend}, twoBackends...) {
			if _, ok := c.Wants[b.Gate]; ok {
				want[b.Name+"/"+c.Name] = true
			}
		}
	}
	for _, trial := range Plan(Cases(), twoBackends) {
		name := trial.Backend.Name + "/" + trial.Case.Name
		if !want[name] {
			t.Errorf("%s is not wanted, or planned twice", name)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("not planned: %v", want)
	}
}

// A run of both backends must make do with one wait for the kernel's rate limit: what
// a backend's cases may write, a flood's one message included, fits into a window.
func TestPlanFitsIntoTwoWindows(t *testing.T) {
	var order []string
	messages := map[string]int{}
	flooded := map[string]bool{}
	for _, trial := range Plan(Cases(), twoBackends) {
		w := trial.Case.Wants[trial.Backend.Gate].Patched
		name := trial.Backend.Name
		if w.Messages == 0 {
			if flooded["namespaces"] || flooded["userns"] {
				t.Errorf("%s/%s has no room for a message it must not write", name, trial.Case.Name)
			}
			continue
		}
		if flooded[name] {
			t.Errorf("%s/%s comes after the flood", name, trial.Case.Name)
		}
		if messages[name] == 0 {
			order = append(order, name)
		}
		messages[name] += w.Messages
		flooded[name] = w.Limit > 0
	}
	if len(order) != 2 || !flooded["userns"] {
		t.Errorf("backends take turns: %v; floods: %v", order, flooded)
	}
	for name, n := range messages {
		if n > burst {
			t.Errorf("%s: %d messages", name, n)
		}
	}
}

func TestPlanOfSilentCases(t *testing.T) {
	trials := Plan([]Case{find(t, "plain")}, twoBackends)
	if len(trials) != 2 {
		t.Errorf("got %d trials", len(trials))
	}
	if trials = Plan(nil, twoBackends); len(trials) != 0 {
		t.Errorf("no case, %d trials", len(trials))
	}
}

func TestPace(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var p pace
	for i := range burst {
		if d := p.delay(at(100 * i)); d != 0 {
			t.Fatalf("message %d waits %v", i+1, d)
		}
		p.note(1, at(100*i))
	}
	// The window may have begun with the second message.
	if d, want := p.delay(at(900)), interval+margin-800*time.Millisecond; d != want {
		t.Errorf("after a burst: wait %v, want %v", d, want)
	}
	p.note(0, at(950))
	if d := p.delay(at(100).Add(interval + margin)); d != 0 {
		t.Errorf("after the interval: wait %v", d)
	}
	p.note(2*burst, at(6000))
	if d, want := p.delay(at(6000)), interval+margin; d != want {
		t.Errorf("after a flood: wait %v, want %v", d, want)
	}
}

func TestPaceWaitEndsWithItsContext(t *testing.T) {
	var p pace
	p.note(burst, time.Now())
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	time.AfterFunc(10*time.Millisecond, func() { cancel(cause) })
	if err := p.wait(ctx); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}
