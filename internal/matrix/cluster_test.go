// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/job"
	"ovzpatch/internal/slurm"
)

// Arrays are as large as the cluster takes, and of cells with the same limits; none is left out.
func TestSplit(t *testing.T) {
	var cells []*Cell
	for i := range 8 {
		c := &Cell{}
		if i < 3 {
			c.Limits.Memory = 1 << 30
		}
		cells = append(cells, c)
	}
	e := &Cluster{c: &slurm.Cluster{MaxArray: 4}}
	var sizes []int
	next := 0
	for _, ch := range e.split(cells) {
		if ch.offset != next {
			t.Errorf("an array begins at %d and not %d", ch.offset, next)
		}
		next += len(ch.cells)
		sizes = append(sizes, len(ch.cells))
	}
	if !reflect.DeepEqual(sizes, []int{3, 4, 1}) {
		t.Errorf("%v", sizes)
	}
}

// A task that was requeued is not over, however often it seemed to be; one that is gone is told with
// what was seen last.
func TestNote(t *testing.T) {
	q := &waited{cell: &Cell{}, job: "7", index: 1}
	is := func(what string, over bool) {
		t.Helper()
		if q.gone.IsZero() == over {
			t.Errorf("%s: over since %v", what, q.gone)
		}
	}
	see := func(state string) {
		note([]*waited{q}, []slurm.Task{{Job: "7", Index: 1, State: state, Reason: "Resources"}, {Job: "7", Index: 0, State: "RUNNING"}})
	}
	see("PENDING")
	is("pending", false)
	see("NODE_FAIL")
	is("its node is lost", true)
	see("PENDING")
	is("requeued", false)
	note([]*waited{q}, nil)
	is("gone", true)
	if got := q.reason("/d").Error(); !strings.Contains(got, "task 7_1 of Slurm left no result: it is not in the queue any more, and was last seen there as PENDING, Resources") || !strings.Contains(got, "/d/7_1.log") {
		t.Error(got)
	}
	see("CANCELLED")
	if got := q.reason("/d").Error(); !strings.Contains(got, "left no result: CANCELLED") {
		t.Error(got)
	}
	never := &waited{job: "7", index: 2}
	note([]*waited{never}, nil)
	if got := never.reason("/d").Error(); !strings.Contains(got, "Slurm never listed it") {
		t.Error(got)
	}
}

// What a task reads is what was handed over.
func TestHanded(t *testing.T) {
	want := handed{"/w", Attempt{Program: "p", CacheDir: "c", Temp: "t", Compile: 2}, []*Cell{{Name: "a", Key: "k", Args: []string{"run"}, Limits: Limits{time.Hour, 3 << 30, 8 << 30}}}}
	data, err := json.Marshal(want)
	var got handed
	if err == nil {
		err = json.Unmarshal(data, &got)
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %s", err, data)
	}
	for _, i := range []int{-1, 1} {
		if err := got.cell(t.Context(), i, "1.0", job.Quiet{}); err == nil {
			t.Errorf("there is a cell %d", i)
		}
	}
}
