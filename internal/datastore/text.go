// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"io"
	"maps"
	"slices"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/terminal"
)

// WriteList writes snapshots for people, a line each.
func WriteList(w io.Writer, list []Entry) error {
	t := terminal.NewTable(w)
	for _, e := range list {
		t.Row(e.Snapshot, cache.Size(e.Size), stateText(e.Verification, e.Problem != ""), e.Verdict, protectedText(e.Protected), e.Problem+e.Notes)
	}
	return t.Flush()
}

// stateText is what the last verification said, unless less than that is known to be wrong.
func stateText(v *Verification, broken bool) string {
	switch {
	case broken:
		return "DAMAGED"
	case v == nil:
		return "unverified"
	case v.OK:
		return "good"
	}
	return "DAMAGED"
}

// protectedText is "" where it is not.
func protectedText(on bool) string {
	if on {
		return "protected"
	}
	return ""
}

// Text writes the manifest for people.
func (r *Reader) Text(w io.Writer) error {
	m := r.Manifest
	t := terminal.NewTable(w)
	line := func(key, value string) {
		if value != "" {
			t.Row(key, value)
		}
	}
	line("snapshot", r.Ref.String())
	line("finished", m.Finished.String())
	line("owner", m.Owner)
	line("state", stateText(m.Verification, len(r.Problems) > 0))
	line("", protectedText(m.Protected))
	line("notes", m.Notes)
	for _, in := range []struct {
		key string
		Input
	}{{"source", m.Source}, {"port", m.Port}, {"spec", m.Spec}} {
		if in.Name != "" {
			t.Row(in.key, in.Name, in.SHA256)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(m.Toolchain)) {
		t.Row("built with", p+" "+m.Toolchain[p])
	}
	for _, o := range m.Options {
		line("option", o)
	}
	line("log", m.Log)
	for _, v := range m.Verdicts {
		key := "verdict"
		if v.Control {
			key = "control"
		}
		t.Row(key, v.Verdict, v.Time, v.File)
	}
	if m.Verification != nil {
		for _, p := range m.Verification.Problems {
			t.Row("DAMAGED", p.File, p.Problem)
		}
	}
	for _, p := range r.Problems {
		t.Row("DAMAGED", p.File, p.Problem)
	}
	for _, file := range m.Files {
		t.Row("file", file.Name, file.SHA256, cache.Size(file.Size))
	}
	line("in", r.Dir())
	return t.Flush()
}

// WriteVerified writes for people what verifying found.
func WriteVerified(w io.Writer, results []VerifyResult) error {
	t := terminal.NewTable(w)
	for _, r := range results {
		problem := ""
		if r.Err != nil {
			problem = r.Err.Error()
		}
		switch {
		case r.Verification.OK:
			t.Row(r.Snapshot, "good", problem)
		case len(r.Verification.Problems) == 0:
			t.Row(r.Snapshot, "not verified", problem)
		}
		for _, p := range r.Verification.Problems {
			t.Row(r.Snapshot, "DAMAGED", p.File, p.Problem)
		}
	}
	return t.Flush()
}

// WritePlan writes for people what pruning does, or would do.
func WritePlan(w io.Writer, plan []Decision, dryRun bool) error {
	t := terminal.NewTable(w)
	for _, d := range plan {
		t.Row(d.word(dryRun), d.Snapshot, d.Reason)
	}
	return t.Flush()
}

// word says what is done with the snapshot.
func (d Decision) word(dryRun bool) string {
	switch {
	case d.Keep:
		return "keep"
	case !dryRun && !d.Removed:
		return "not removed"
	case dryRun:
		return "would remove"
	}
	return "removed"
}
