// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	// One snapshot at noon of each day, 2021-12-20 to 2022-01-10, and two more on the last.
	var daily []string
	for d := time.Date(2021, 12, 20, 12, 0, 0, 0, time.UTC); d.Before(time.Date(2022, 1, 11, 0, 0, 0, 0, time.UTC)); d = d.AddDate(0, 0, 1) {
		daily = append(daily, d.Format(timeLayout))
	}
	daily = append(daily, "2022-01-10T13:00:00Z", "2022-01-10T14:00:00Z")
	for name, tc := range map[string]struct {
		times []string
		marks string // of the times in order: g good, b bad, p protected, x unreadable, v proved, d proved and bad, . nothing
		keep  Keep
		want  string // kept days and hours, newest first
	}{
		"no rule keeps all":                   {daily[20:], "", Keep{}, "10T14 10T13 10T12 09T12"},
		"last":                                {daily, "", Keep{Last: 2}, "10T14 10T13"},
		"more than there are":                 {daily[21:], "", Keep{Last: 9}, "10T14 10T13 10T12"},
		"daily":                               {daily, "", Keep{Daily: 3}, "10T14 09T12 08T12"},
		"weekly from Monday":                  {daily, "", Keep{Weekly: 3}, "10T14 09T12 02T12"},
		"monthly":                             {daily, "", Keep{Monthly: 5}, "10T14 31T12"},
		"yearly":                              {daily, "", Keep{Yearly: 1}, "10T14"},
		"last, then daily":                    {daily, "", Keep{Last: 2, Daily: 2}, "10T14 10T13 09T12 08T12"},
		"daily, then weekly":                  {daily, "", Keep{Daily: 2, Weekly: 2}, "10T14 09T12 02T12 26T12"},
		"ISO week over new year":              {[]string{"2022-01-01T00:00:00Z", "2022-01-02T00:00:00Z", "2022-01-03T00:00:00Z"}, "", Keep{Weekly: 2}, "03T00 02T00"},
		"protected does not count":            {daily[18:], "....p.", Keep{Last: 1}, "10T14 10T13"},
		"the last good one":                   {daily[19:], "gg...", Keep{Last: 1}, "10T14 09T12"},
		"a bad one is not good, and stays":    {daily[19:], "gb...", Keep{Last: 1}, "10T14 09T12 08T12"},
		"a bad one does not count":            {daily[19:], "....b", Keep{Last: 1}, "10T14 10T13"},
		"the last good one is kept by a rule": {daily[19:], "....g", Keep{Last: 1}, "10T14"},
		"told to let it go":                   {daily[19:], "gg...", Keep{Last: 1, NoLastGood: true}, "10T14"},
		"a control does not take the place":   {daily[19:], "vv...", Keep{Last: 1}, "10T14 09T12"},
		"the proved one is kept by a rule":    {daily[19:], "vv..v", Keep{Last: 1}, "10T14"},
		"the proved one that is whole":        {daily[19:], "vd...", Keep{Last: 1}, "10T14 09T12 08T12"},
		"told to let the proved one go":       {daily[19:], "v....", Keep{Last: 1, NoLastGood: true}, "10T14"},
		"unreadable stays":                    {daily[19:], "x....", Keep{Last: 1}, "10T14 08T12"},
		"nothing there":                       {nil, "", Keep{Last: 1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var entries []Entry
			for i, s := range tc.times {
				at, err := time.Parse(timeLayout, s)
				if err != nil {
					t.Fatal(err)
				}
				e := Entry{Snapshot: kernel.At(at)}
				if i < len(tc.marks) {
					switch tc.marks[i] {
					case 'g', 'b':
						e.Verification = &Verification{OK: tc.marks[i] == 'g'}
					case 'v':
						e.proved = true
					case 'd':
						e.proved, e.Verification = true, &Verification{}
					case 'p':
						e.Protected = true
					case 'x':
						e.Problem = "unreadable"
					}
				}
				entries = append(entries, e)
			}
			var kept []string
			for _, d := range tc.keep.Plan(entries) {
				if d.Reason == "" {
					t.Errorf("%s: no reason", d.Snapshot)
				}
				if d.Keep {
					kept = append(kept, d.Snapshot.Time.Format("02T15"))
				}
			}
			if got := strings.Join(kept, " "); got != tc.want {
				t.Errorf("kept %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPruneRemovesWhatThePlanSays(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	var refs []Ref
	for i := range 5 {
		refs = append(refs, put(t, s, kernel, day.AddDate(0, 0, i), "a", fmt.Sprint(i)))
	}
	if _, err := s.Verify(ctx, refs[1:2], true, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Protect(ctx, refs[2], true); err != nil {
		t.Fatal(err)
	}
	groups, err := s.Groups()
	if err != nil || !slices.Equal(groups, []Group{kernel}) {
		t.Fatalf("%v %v", groups, err)
	}
	dry, err := s.Prune(ctx, groups, Keep{Last: 1}, true)
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := s.All(); len(all) != 5 {
		t.Errorf("a dry run removed something: %v", all)
	}
	// A lock on what would go: it is kept, and the reason says who has it.
	r, err := s.OpenSnapshot(ctx, refs[0])
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Prune(ctx, groups, Keep{Last: 1}, false)
	if err != nil || !plan[4].Keep || !strings.Contains(plan[4].Reason, "held by this process itself") {
		t.Errorf("%+v %v", plan, err)
	}
	r.Close()
	if _, err = s.Prune(ctx, groups, Keep{Last: 1}, false); err != nil {
		t.Fatal(err)
	}
	if all, _ := s.All(); !slices.Equal(all, []Ref{refs[1], refs[2], refs[4]}) {
		t.Errorf("there is %v, the dry run said %v", all, dry)
	}
	if _, err = s.Prune(ctx, groups, Keep{Last: 1, NoLastGood: true}, false); err != nil {
		t.Fatal(err)
	}
	if all, _ := s.All(); !slices.Equal(all, []Ref{refs[2], refs[4]}) {
		t.Errorf("there is %v", all)
	}
}

// One that a verification found damaged uses no rule up: the one that can be used stays.
func TestPruneDoesNotCountTheDamaged(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	usable, damaged := put(t, s, kernel, day, "a", "1"), put(t, s, kernel, day.AddDate(0, 0, 1), "b", "2")
	if err := os.WriteFile(filepath.Join(s.Dir(), damaged.dir(), "b"), []byte("3"), 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(ctx, []Ref{damaged}, true, nil); err != nil {
		t.Fatal(err)
	}
	plan, err := s.Prune(ctx, []Group{kernel}, Keep{Last: 1}, false)
	if err != nil || len(plan) != 2 || !strings.Contains(plan[0].Reason, "found it damaged") {
		t.Errorf("%+v %v", plan, err)
	}
	if all, _ := s.All(); !slices.Equal(all, []Ref{usable, damaged}) {
		t.Errorf("there is %v", all)
	}
}

// Between the plan and its carrying out the world changes: the last good one stays all
// the same.
func TestPruneLooksAgain(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	a, b := put(t, s, kernel, day, "a", "1"), put(t, s, kernel, day.AddDate(0, 0, 1), "a", "2")
	if _, err := s.Verify(ctx, []Ref{a, b}, true, nil); err != nil {
		t.Fatal(err)
	}
	entries, err := s.List(ctx, []Ref{a, b})
	if err != nil {
		t.Fatal(err)
	}
	plan := Keep{Last: 1}.Plan(entries)
	if plan[1].Keep {
		t.Fatal("nothing to look at again")
	}
	if err := s.UpdateManifest(ctx, b, func(m *Manifest) error { m.Verification.OK = false; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.carryOut(ctx, plan, Keep{Last: 1}, false); err != nil {
		t.Fatal(err)
	}
	if !plan[1].Keep || !strings.Contains(plan[1].Reason, "last one that was verified good") {
		t.Errorf("got %+v", plan[1])
	}
	if err := s.Protect(ctx, a, true); err != nil {
		t.Fatal(err)
	}
	plan[1].Keep = false
	if err := s.carryOut(ctx, plan, Keep{Last: 1}, false); err != nil || !plan[1].Keep || plan[1].Reason != "protected" {
		t.Errorf("got %+v %v", plan[1], err)
	}
	if all, _ := s.All(); len(all) != 2 {
		t.Errorf("there is %v", all)
	}
}

// A build without the patch is no reason to remove the one that was proved.
func TestPruneKeepsTheProved(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	old, proved, control := put(t, s, kernel, day, "a", "1"), put(t, s, kernel, day.AddDate(0, 0, 1), "a", "2"), put(t, s, kernel, day.AddDate(0, 0, 2), "a", "3")
	say := func(ref Ref, v ...Verdict) {
		t.Helper()
		if err := s.UpdateManifest(ctx, ref, func(m *Manifest) error { m.Verdicts = append(m.Verdicts, v...); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	say(proved, Verdict{Time: day, Verdict: "protected"}, Verdict{Time: day, Verdict: "inconclusive"}, Verdict{Time: day, Verdict: "vulnerable", Control: true})
	say(control, Verdict{Time: day, Verdict: "vulnerable"})
	entries, err := s.List(ctx, []Ref{old, proved, control})
	if err != nil {
		t.Fatal(err)
	}
	keep := Keep{Last: 1}
	plan := keep.Plan(entries)
	if plan[2].Keep || !plan[1].Keep || plan[1].Reason != "the last one that a test found protected" {
		t.Errorf("got %+v", plan)
	}
	// What is found after the plan counts.
	say(old, Verdict{Time: day, Verdict: "protected"})
	if err := s.carryOut(ctx, plan, keep, false); err != nil || !plan[2].Keep {
		t.Errorf("got %+v %v", plan[2], err)
	}
	say(proved, Verdict{Time: day, Verdict: "faulty"})
	say(old, Verdict{Time: day, Verdict: "faulty"})
	if _, err := s.Prune(ctx, nil, keep, false); err != nil {
		t.Error(err)
	}
	if all, _ := s.All(); !slices.Equal(all, []Ref{control}) {
		t.Errorf("there is %v", all)
	}
}
