// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ovzpatch/internal/job"
	"ovzpatch/internal/slurm"
)

// seen keeps what was told last.
type seen struct {
	job.Quiet
	all  string
	each []job.Step
}

func (s *seen) Steps(all string, each []job.Step) { s.all, s.each = all, each }

// What is told of cells while they are done: how long each has taken and may take, by those that ended before.
func TestProgress(t *testing.T) {
	w, u, now := &Work{t.TempDir()}, &seen{}, time.Unix(1000, 0)
	cells := []*Cell{{Name: "a/with", Key: "a", Variant: With}, {Name: "b/without", Key: "b", Variant: Without}, {Name: "c/with", Key: "c", Variant: With}, {Name: "c/check", Key: "d", Variant: Check}}
	p := w.progress(cells, u)
	p.now = func() time.Time { return now }
	is := func(all string, texts ...string) {
		t.Helper()
		p.tell()
		var got []string
		for _, s := range u.each {
			if s.Now {
				s.Text = "NOW " + s.Text
			}
			got = append(got, s.Text)
		}
		if u.all != all || !slices.Equal(got, texts) {
			t.Errorf("told %q %q, must be %q %q", u.all, got, all, texts)
		}
	}
	is("0 of 4 cells done, 0 running", "waits", "waits", "waits", "waits")
	log := filepath.Join(w.Dir, "log")
	if err := os.WriteFile(log, []byte("[ 0:01] begun\n[12:59]   compiling 7 of 9 files\nhalf a li"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.begin(cells[0], log, "")
	p.begin(cells[1], "nothing", "on n1")
	p.wait(cells[2], "no room")
	now = now.Add(90 * time.Second)
	is("0 of 4 cells done, 2 running, 1 waiting (no room)", "NOW 1:30: compiling 7 of 9 files", "NOW 1:30, on n1", "waits (no room)", "waits")

	// A kernel with the patch tells how long one without may take; a check is another thing.
	p.end(cells[0], "protected", &Result{Cell: "a/with", Seconds: 100})
	is("1 of 4 cells done, 1 running, 1 waiting (no room)", "protected, 1:40", "NOW 1:30, about 0:10 left, on n1", "waits (no room), may take 1:40", "waits")
	p.end(cells[3], "no result", nil)
	p.begin(cells[2], "", "")
	is("2 of 4 cells done, 2 running, about 1:40 left", "protected, 1:40", "NOW 1:30, about 0:10 left, on n1", "NOW 0:00, about 1:40 left", "no result")
	now = now.Add(time.Hour)
	is("2 of 4 cells done, 2 running", "protected, 1:40", "NOW 1:01:30, longer than the 1:40 reckoned, on n1", "NOW 1:00:00, longer than the 1:40 reckoned", "no result")
}

// A task that was requeued is not running any more; one that waits says why.
func TestTasksAreShown(t *testing.T) {
	u, c := &seen{}, &Cell{Name: "a/with", Key: "a", Variant: With}
	p := (&Work{t.TempDir()}).progress([]*Cell{c}, u)
	for _, tt := range []struct {
		q    waited
		want string
		now  bool
	}{
		{waited{}, "waits (Slurm does not list it yet)", false},
		{waited{task: slurm.Task{State: "PENDING", Reason: "Resources"}}, "waits (pending: Resources)", false},
		{waited{task: slurm.Task{State: "RUNNING", Node: "n1"}}, "0:00, on n1", true},
		{waited{task: slurm.Task{State: "RUNNING", Node: "n1"}, lost: true}, "waits (gone from the queue)", false},
		{waited{task: slurm.Task{State: "PENDING", Reason: "BeginTime"}}, "waits (pending: BeginTime)", false},
	} {
		tt.q.cell = c
		tt.q.show(p)
		p.tell()
		if u.each[0].Text != tt.want || u.each[0].Now != tt.now {
			t.Errorf("%v: %+v", tt.q.task, u.each[0])
		}
	}
}

// The next cell is one that need not wait for another's tree.
func TestNext(t *testing.T) {
	cell := func(target, variant string) *Cell { return &Cell{Source: "s", Target: target, Variant: variant} }
	with, without, other := cell("x86_64", With), cell("x86_64", Without), cell("i686", With)
	running := map[*Cell]time.Time{with: {}}
	for _, tt := range []struct {
		waiting []*Cell
		want    int
	}{
		{[]*Cell{without, other}, 1},
		{[]*Cell{without, cell("x86_64", Check)}, 1},
		{[]*Cell{without, cell("x86_64", Livepatch)}, 0},
	} {
		if got := next(tt.waiting, running); got != tt.want {
			t.Errorf("%d comes next, and must be %d", got, tt.want)
		}
	}
	if got := next([]*Cell{without, other}, map[*Cell]time.Time{}); got != 0 {
		t.Errorf("%d comes first", got)
	}
}
