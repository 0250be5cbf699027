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
		if d := p.delay(1, at(100*i)); d != 0 {
			t.Fatalf("message %d waits %v", i+1, d)
		}
		p.note(1, at(100*i))
	}
	// The window may have begun with the second message.
	if d, want := p.delay(1, at(900)), interval+margin-800*time.Millisecond; d != want {
		t.Errorf("after a burst: wait %v, want %v", d, want)
	}
	p.note(0, at(950))
	if d := p.delay(1, at(100).Add(interval+margin)); d != 0 {
		t.Errorf("after the interval: wait %v", d)
	}
	p.note(2*burst, at(6000))
	if d, want := p.delay(1, at(6000)), interval+margin; d != want {
		t.Errorf("after a flood: wait %v, want %v", d, want)
	}
}

// A case of two messages needs room for both.
func TestPaceOfTwo(t *testing.T) {
	start := time.Unix(1000, 0)
	var p pace
	p.note(burst-1, start)
	if d := p.delay(1, start); d != 0 {
		t.Errorf("one message waits %v", d)
	}
	if d, want := p.delay(2, start), interval+margin; d != want {
		t.Errorf("two messages wait %v, want %v", d, want)
	}
	if d, want := p.delay(burst, start), interval+margin; d != want {
		t.Errorf("a flood waits %v, want %v", d, want)
	}
}

// vz_ratelimit is written down once more here, from its source: whoever waits as pace says
// gets every message through, and one who does not, loses some.
func TestPaceOfBucket(t *testing.T) {
	for name, c := range map[string]struct {
		pace  pace
		loses bool
	}{
		"bucket":  {pace{bucket: true}, false},
		"windows": {pace{}, true},
	} {
		p, now, lost := c.pace, time.Unix(1000, 0), 0
		var bucket int
		var last time.Time
		write := func() {
			if since := now.Sub(last); since < interval {
				if bucket >= burst {
					lost++
					return
				}
				bucket++
			} else {
				bucket = max(0, bucket-int(min(since/interval, burst))) + 1
			}
			last = now
		}
		for i := range 60 {
			n := []int{1, 1, 0, 2, 1, burst}[i%6]
			p.ready = now.Add(p.delay(max(1, n), now))
			now = p.ready
			for range n {
				now = now.Add(30 * time.Millisecond)
				write()
			}
			now = now.Add(200 * time.Millisecond)
			p.note(n, now)
			now = now.Add(time.Duration(i%4) * 3 * time.Second)
		}
		if (lost > 0) != c.loses {
			t.Errorf("%s: %d messages lost", name, lost)
		}
	}
}

func TestPaceWaitEndsWithItsContext(t *testing.T) {
	var p pace
	p.note(burst, time.Now())
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	time.AfterFunc(10*time.Millisecond, func() { cancel(cause) })
	if err := p.wait(ctx, 1); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

// The few cases are there, and where none of them was chosen it is what was.
func TestTelling(t *testing.T) {
	names := map[string]bool{}
	backends := []Backend{{Name: "namespaces", Gate: Open}}
	for _, f := range Telling(Plan(Cases(), backends)) {
		names[f.Case.Name] = true
	}
	for _, name := range telling {
		if !names[name] {
			t.Errorf("%s is left out", name)
		}
	}
	if len(names) != len(telling) {
		t.Errorf("%d cases, want %d: %v", len(names), len(telling), names)
	}
	chosen := Plan(slices.DeleteFunc(Cases(), func(c Case) bool { return c.Name != "plain" }), backends)
	if few := Telling(chosen); len(chosen) != 1 || len(few) != 1 {
		t.Errorf("of %d chosen ones %d are left", len(chosen), len(few))
	}
}

func TestForTypesNamesWhatItLeavesOut(t *testing.T) {
	cases := []Case{{Name: "a"}, {Name: "b", Needs: "autofs"}, {Name: "c", Needs: "overlay"}}
	kept, left := ForTypes(cases, []string{"tmpfs", "overlay"})
	if len(kept) != 2 || kept[0].Name != "a" || kept[1].Name != "c" {
		t.Errorf("kept %v", kept)
	}
	if !slices.Equal(left, []string{"b (autofs)"}) {
		t.Errorf("left %v", left)
	}
}
