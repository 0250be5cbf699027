// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"
	"slices"
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

// The cases of a backend share a container, and what needs everything gone comes last.
func TestPlanIsBackendByBackend(t *testing.T) {
	trials := Plan(Cases(), twoBackends)
	var order []string
	for _, trial := range trials[:len(trials)-1] {
		if name := trial.Backend.Name; len(order) == 0 || order[len(order)-1] != name {
			order = append(order, name)
		}
		if trial.Case.Last {
			t.Errorf("%s is not the last", trial.Case.Name)
		}
	}
	if want := []string{"namespaces", "userns", "host"}; !slices.Equal(order, want) {
		t.Errorf("backends %v, want %v", order, want)
	}
	if last := trials[len(trials)-1]; !last.Case.Last {
		t.Errorf("%s is the last", last.Case.Name)
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
	if err := p.wait(ctx, false); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}
