// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ovzpatch/internal/runlock"
)

// Keep says how many snapshots of each group to keep: the newest ones, and the newest of
// each of the last days, weeks (ISO, from Monday), months and years that have one, in UTC.
// A period that an earlier rule kept something of does not count again. When all are 0,
// everything is kept.
type Keep struct {
	Last, Daily, Weekly, Monthly, Yearly int
	// NoLastGood lets the last snapshot that was verified good go, too, and the last that a test found
	// protected.
	NoLastGood bool
}

// Check refuses rules that are none, or cannot be meant.
func (k Keep) Check() error {
	if k.empty() {
		return errors.New("no rule given: say what to keep, for example --keep-last 3")
	}
	for _, rule := range k.rules() {
		if rule.count < 0 {
			return fmt.Errorf("--keep-%s=%d: it must be a number of snapshots, 0 or more", rule.name, rule.count)
		}
	}
	return nil
}

// empty tells that no rule is given.
func (k Keep) empty() bool { return k == Keep{NoLastGood: k.NoLastGood} }

// keepRule keeps the newest of each of the last count periods; period names that of a time.
type keepRule struct {
	name   string
	count  int
	period func(time.Time) string
}

func (k Keep) rules() []keepRule {
	return []keepRule{
		{"last", k.Last, func(t time.Time) string { return t.Format(timeLayout) }},
		{"daily", k.Daily, func(t time.Time) string { return t.Format("2006-01-02") }},
		{"weekly", k.Weekly, func(t time.Time) string {
			year, week := t.ISOWeek()
			return fmt.Sprintf("%d-W%02d", year, week)
		}},
		{"monthly", k.Monthly, func(t time.Time) string { return t.Format("2006-01") }},
		{"yearly", k.Yearly, func(t time.Time) string { return t.Format("2006") }},
	}
}

// Decision is what pruning does with one snapshot, and why.
type Decision struct {
	Snapshot Ref    `json:"snapshot"`
	Keep     bool   `json:"keep"`
	Reason   string `json:"reason"`
	// Removed tells that it is gone: never in a dry run, and not where removing failed.
	Removed bool `json:"removed"`

	proved bool // it was, when the plan was made
}

// Plan decides about the entries of one group without touching anything. It returns the
// newest first.
func (k Keep) Plan(entries []Entry) []Decision {
	newest := slices.SortedFunc(slices.Values(entries), func(a, b Entry) int {
		return b.Snapshot.Time.Compare(a.Snapshot.Time)
	})
	reasons := make([]string, len(newest))
	for i, e := range newest {
		switch {
		case e.Protected:
			reasons[i] = "protected"
		case e.Problem != "":
			reasons[i] = "its manifest cannot be read, or a file is not what it says: look at it, then remove it by name"
		case e.Verification != nil && !e.Verification.OK:
			reasons[i] = "a verification found it damaged: look at it, then remove it by name"
		case k.empty():
			reasons[i] = "no rule was given"
		}
	}
	// What is kept anyway neither uses a rule up nor stands for a period.
	fixed := slices.Clone(reasons)
	for _, rule := range k.rules() {
		covered := map[string]bool{}
		for i, e := range newest {
			if reasons[i] != "" && fixed[i] == "" {
				covered[rule.period(e.Snapshot.Time)] = true
			}
		}
		left := rule.count
		for i, e := range newest {
			p := rule.period(e.Snapshot.Time)
			if left > 0 && reasons[i] == "" && !covered[p] {
				covered[p] = true
				reasons[i] = fmt.Sprintf("keep-%s (%s)", rule.name, p)
				left--
			}
		}
	}
	if !k.NoLastGood {
		i := slices.IndexFunc(newest, func(e Entry) bool { return e.Problem == "" && e.Verification != nil && e.Verification.OK })
		if i >= 0 && reasons[i] == "" {
			reasons[i] = "the last one that was verified good"
		}
		// A newer kernel without the patch, as a control is, does not take its place.
		i = slices.IndexFunc(newest, func(e Entry) bool {
			return e.proved && e.Problem == "" && (e.Verification == nil || e.Verification.OK)
		})
		if i >= 0 && reasons[i] == "" {
			reasons[i] = "the last one that a test found protected"
		}
	}
	plan := make([]Decision, len(newest))
	for i, e := range newest {
		plan[i] = Decision{Snapshot: e.Snapshot, Keep: reasons[i] != "", Reason: reasons[i], proved: e.proved}
		if reasons[i] == "" {
			plan[i].Reason = "no rule keeps it"
		}
	}
	return plan
}

// ErrNoGroup tells of a group that has no snapshot.
var ErrNoGroup = errors.New("there is no such group, or nothing in it; ovzpatch store list shows all")

// Prune removes what keep does not keep, group by group, and cleans up; with dryRun it
// goes the same way and removes nothing. A snapshot that is in use, or was protected
// meanwhile, is kept and said so. One that cannot be removed stops no other. Without groups
// it prunes all.
func (s *Store) Prune(ctx context.Context, groups []Group, keep Keep, dryRun bool) ([]Decision, error) {
	named := groups != nil
	if !named {
		var err error
		if groups, err = s.Groups(); err != nil {
			return nil, err
		}
	}
	var all []Decision
	var plans [][]Decision
	for _, g := range groups {
		refs, err := s.Snapshots(g)
		var entries []Entry
		if err == nil {
			entries, err = s.List(ctx, refs)
		}
		if err == nil && len(entries) == 0 && named {
			err = ErrNoGroup
		}
		if err != nil {
			return nil, fmt.Errorf("prune group %s: %w", g, err)
		}
		plans = append(plans, keep.Plan(entries))
	}
	if !dryRun {
		if err := s.clearLeftovers(ctx); err != nil {
			return nil, fmt.Errorf("prune: %w", err)
		}
	}
	var failed error
	for i, plan := range plans {
		if err := s.carryOut(ctx, plan, keep, dryRun); err != nil {
			failed = errors.Join(failed, fmt.Errorf("prune group %s: %w", groups[i], err))
		}
		all = append(all, plan...)
	}
	if dryRun {
		return all, failed
	}
	return all, errors.Join(failed, s.Cleanup(ctx))
}

var errStays = errors.New("it stays")

// carryOut removes what the plan of one group does not keep, and corrects the plan where
// the world has changed.
func (s *Store) carryOut(ctx context.Context, plan []Decision, keep Keep, dryRun bool) error {
	var failed error
	going := map[Ref]bool{}
	for i, d := range plan {
		if d.Keep {
			continue
		}
		stay := func(reason string) error {
			plan[i].Keep, plan[i].Reason = true, reason
			return errStays
		}
		var other *runlock.Shared
		err := s.removeOne(ctx, d.Snapshot, dryRun, func(m *Manifest, problems []Problem, err error) error {
			switch {
			case err != nil:
				return stay(err.Error())
			case len(problems) > 0:
				return stay(problems[0].File + ": " + problems[0].Problem)
			case m.Protected:
				return stay("protected")
			case !keep.NoLastGood && m.proved() && !d.proved:
				return stay("a test has just found it protected")
			case keep.NoLastGood || m.Verification == nil || !m.Verification.OK:
				return nil
			}
			// Held until this one is gone: or two prunes could each rely on what the
			// other removes.
			if other = s.otherGood(ctx, d.Snapshot, going); other == nil {
				return stay("the last one that was verified good")
			}
			return nil
		})
		if other != nil {
			err = errors.Join(err, other.Unlock())
		}
		switch {
		case err == nil:
			going[d.Snapshot] = true
			plan[i].Removed = !dryRun
		case errors.Is(err, errStays):
		case errors.Is(err, ErrLocked):
			plan[i].Keep, plan[i].Reason = true, err.Error()
		case errors.Is(err, ErrNotFound):
			plan[i].Removed, plan[i].Reason = !dryRun, "another program removed it"
		default:
			plan[i].Reason = err.Error()
			failed = errors.Join(failed, fmt.Errorf("remove snapshot %s: %w", d.Snapshot, err))
		}
		if ctx.Err() != nil {
			return errors.Join(failed, context.Cause(ctx))
		}
	}
	if !dryRun && len(plan) > 0 {
		failed = errors.Join(failed, s.forgetGroup(ctx, plan[0].Snapshot.Group))
	}
	return failed
}

// otherGood locks another snapshot of the group that was verified good and is not going;
// nil when there is none.
func (s *Store) otherGood(ctx context.Context, ref Ref, going map[Ref]bool) *runlock.Shared {
	refs, err := s.Snapshots(ref.Group)
	if err != nil {
		return nil
	}
	for _, r := range slices.Backward(refs) {
		if r == ref || going[r] {
			continue
		}
		lock, err := s.lockToRead(ctx, r)
		if err != nil {
			continue
		}
		if e := s.entry(r); e != nil && e.Problem == "" && e.Verification != nil && e.Verification.OK {
			return lock
		}
		lock.Unlock()
	}
	return nil
}

// Groups returns every group that has a snapshot.
func (s *Store) Groups() ([]Group, error) {
	refs, err := s.All()
	var groups []Group
	for _, r := range refs {
		if n := len(groups); n == 0 || groups[n-1] != r.Group {
			groups = append(groups, r.Group)
		}
	}
	return groups, err
}
