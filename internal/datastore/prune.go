// SPDX-License-Identifier: GPL-2.0-only

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
	// NoLastGood lets the last snapshot that was verified good go, too.
	NoLastGood bool
}

// Decision is what pruning does with one snapshot, and why.
type Decision struct {
	Snapshot Ref    `json:"snapshot"`
	Keep     bool   `json:"keep"`
	Reason   string `json:"reason"`
}

// Plan decides about the entries of one group without touching anything. It gives the
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
			reasons[i] = "its manifest cannot be read: look at it, then remove it by name"
		case k == Keep{NoLastGood: k.NoLastGood}:
			reasons[i] = "no rule given"
		}
	}
	// What is kept anyway neither uses a rule up nor stands for a period.
	fixed := slices.Clone(reasons)
	for _, rule := range []struct {
		name   string
		count  int
		period func(time.Time) string
	}{
		{"last", k.Last, func(t time.Time) string { return t.Format(timeLayout) }},
		{"daily", k.Daily, func(t time.Time) string { return t.Format("2006-01-02") }},
		{"weekly", k.Weekly, func(t time.Time) string {
			year, week := t.ISOWeek()
			return fmt.Sprintf("%d-W%02d", year, week)
		}},
		{"monthly", k.Monthly, func(t time.Time) string { return t.Format("2006-01") }},
		{"yearly", k.Yearly, func(t time.Time) string { return t.Format("2006") }},
	} {
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
		i := slices.IndexFunc(newest, func(e Entry) bool { return e.Verification != nil && e.Verification.OK })
		if i >= 0 && reasons[i] == "" {
			reasons[i] = "the last one that was verified good"
		}
	}
	plan := make([]Decision, len(newest))
	for i, e := range newest {
		plan[i] = Decision{e.Snapshot, reasons[i] != "", reasons[i]}
		if reasons[i] == "" {
			plan[i].Reason = "no rule keeps it"
		}
	}
	return plan
}

// Prune removes what keep does not keep, group by group, and cleans up; with dryRun it
// only tells. A snapshot that is in use, or was protected meanwhile, is kept and said so.
func (s *Store) Prune(ctx context.Context, groups []Group, keep Keep, dryRun bool) ([]Decision, error) {
	var all []Decision
	for _, g := range groups {
		refs, err := s.Snapshots(g)
		var entries []Entry
		if err == nil {
			entries, err = s.List(ctx, refs)
		}
		if err != nil {
			return all, fmt.Errorf("prune group %s: %w", g, err)
		}
		plan := keep.Plan(entries)
		if !dryRun {
			err = s.carryOut(ctx, plan, keep)
		}
		all = append(all, plan...)
		if err != nil {
			return all, fmt.Errorf("prune group %s: %w", g, err)
		}
	}
	if dryRun {
		return all, nil
	}
	return all, s.Cleanup(ctx)
}

var errStays = errors.New("it stays")

// carryOut removes what the plan of one group does not keep, and corrects the plan where
// the world has changed.
func (s *Store) carryOut(ctx context.Context, plan []Decision, keep Keep) error {
	for i, d := range plan {
		if d.Keep {
			continue
		}
		stay := func(reason string) error {
			plan[i].Keep, plan[i].Reason = true, reason
			return errStays
		}
		var other *runlock.Shared
		err := s.removeIf(ctx, d.Snapshot, func(m *Manifest, err error) error {
			switch {
			case err != nil:
				return stay(err.Error())
			case m.Protected:
				return stay("protected")
			case keep.NoLastGood || m.Verification == nil || !m.Verification.OK:
				return nil
			}
			// Held until this one is gone: or two prunes could each rely on what the
			// other removes.
			if other = s.otherGood(ctx, d.Snapshot); other == nil {
				return stay("the last one that was verified good")
			}
			return nil
		})
		if other != nil {
			err = errors.Join(err, other.Unlock())
		}
		switch {
		case errors.Is(err, ErrLocked):
			plan[i].Keep, plan[i].Reason = true, err.Error()
		case err != nil && !errors.Is(err, errStays) && !errors.Is(err, ErrNotFound):
			return fmt.Errorf("remove snapshot %s: %w", d.Snapshot, err)
		}
	}
	return nil
}

// otherGood locks another snapshot of the group that was verified good; nil when there is
// none.
func (s *Store) otherGood(ctx context.Context, ref Ref) *runlock.Shared {
	refs, err := s.Snapshots(ref.Group)
	if err != nil {
		return nil
	}
	for _, r := range slices.Backward(refs) {
		if r == ref {
			continue
		}
		lock, err := s.lockToRead(ctx, r)
		if err != nil {
			continue
		}
		if e := s.entry(r); e != nil && e.Verification != nil && e.Verification.OK {
			return lock
		}
		lock.Unlock()
	}
	return nil
}

// Groups gives every group that has a snapshot.
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
