// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Options say how to apply a patch. The zero value strips nothing and allows no fuzz.
type Options struct {
	// Strip is how many leading components to remove from the patch's names, as -p does. If it is
	// negative, the files that exist decide.
	Strip int
	// Fuzz is how many context lines at either end of a hunk may differ.
	Fuzz int
	// Reverse reverts the patch.
	Reverse bool
	// Nearest applies a hunk at the nearest place that it matches, whatever function that is in
	// and wherever else it matches, as GNU patch does. It is for patches that GNU patch will
	// apply.
	Nearest bool
}

// Placement is where a hunk goes.
type Placement struct {
	File      string   `json:"file"`
	Hunk      int      `json:"hunk"`       // from 1
	PatchLine int      `json:"patch_line"` // of its header
	Line      int      `json:"line"`       // where its first line is in the file before
	NewLine   int      `json:"new_line"`   // and after
	Offset    int      `json:"offset"`     // distance in lines from where its header says
	Fuzz      int      `json:"fuzz"`       // context lines ignored at either end
	Functions []string `json:"functions"`  // C functions that its changes are in; none at file level
	Added     []Range  `json:"added"`      // lines that it adds, in the file after
}

// Range is a run of lines, both ends included, from 1.
type Range struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// Change says what happens to one name in the tree.
type Change struct {
	Name   string
	From   string   // the file whose owner and mode it gets: Name itself, or what was renamed
	Before *Content // nil if there was none
	After  *Content // nil if it is removed
}

// Plan is the result of a patch for certain sources, complete to the byte.
type Plan struct {
	Patch      string // its name
	Strip      int    // leading components removed
	Applied    bool   // the patch is already applied: there is nothing to do, and the placements say where it is
	Placements []Placement
	Changes    []Change // sorted by name
}

// After returns the file called name as it will be, and whether the plan changes it.
func (p *Plan) After(name string) (*Content, bool) {
	for _, c := range p.Changes {
		if c.Name == name {
			return c.After, true
		}
	}
	return nil, false
}

// NewPlan works out what p does to the sources that files returns. It asks only for files that p
// names, and writes nothing. If p does not apply, the error is a *NotApplicable that lists every
// problem. If p is already applied, the plan says so and holds no changes.
func NewPlan(p *Patch, files Files, opt Options) (*Plan, error) {
	files = remembered(files)
	if opt.Strip < 0 {
		level, ok, err := p.findStrip(files, opt.Reverse)
		if err != nil {
			return nil, fmt.Errorf("place patch %s: %w", p.Name, err)
		}
		if !ok {
			return nil, &NotApplicable{Patch: p.Name, Problems: []*Problem{{
				File: p.Files[0].names()[0], PatchLine: p.Files[0].Line, Reason: Missing,
				Detail: "nor is any other of its files, whatever leading directories are removed; is this the right tree? If it is, use --strip",
			}}}
		}
		opt.Strip = level
	}
	plan, problems, err := work(p, files, opt)
	if err != nil {
		return nil, fmt.Errorf("place patch %s: %w", p.Name, err)
	}
	if len(problems) == 0 {
		return plan, nil
	}
	if !couldBeApplied(p, problems, opt.Reverse) {
		return nil, &NotApplicable{Patch: p.Name, Problems: problems}
	}
	// A patch that can be reverted completely and without fuzz is already applied.
	back := Options{Strip: opt.Strip, Reverse: !opt.Reverse}
	undone, backProblems, err := work(p, files, back)
	if err != nil {
		return nil, fmt.Errorf("place patch %s: %w", p.Name, err)
	}
	if len(backProblems) == 0 {
		undone.Applied, undone.Changes = true, nil
		for i := range undone.Placements {
			undone.Placements[i].Added = nil
		}
		return undone, nil
	}
	markApplied(problems, backProblems)
	return nil, &NotApplicable{Patch: p.Name, Problems: problems}
}

// markApplied marks the files whose change is already applied, that is, could be reverted; the
// others do not fit. A renamed file has one name in one direction and another in the other.
func markApplied(problems, back []*Problem) {
	files, sections := map[string]bool{}, map[*File]bool{}
	for _, b := range back {
		files[b.File], sections[b.section] = true, true
	}
	for _, p := range problems {
		if !files[p.File] && !sections[p.section] {
			p.Reason, p.Detail, p.Closest = Applied, "", nil
		}
	}
}

// couldBeApplied reports whether it means anything that a patch can be reverted. It does not if
// the patch still fits, even in too many places, nor if reverting a hunk only adds lines, which
// fits anywhere.
func couldBeApplied(p *Patch, problems []*Problem, reverse bool) bool {
	for _, problem := range problems {
		switch problem.Reason {
		case Ambiguous, OtherFunction, UnsafeName, Unsupported:
			return false
		}
	}
	for _, f := range p.Files {
		for _, frag := range f.diff.TextFragments {
			if reverse && frag.OldLines == 0 && !f.diff.IsNew || !reverse && frag.NewLines == 0 && !f.diff.IsDelete {
				return false
			}
		}
	}
	return true
}

// remembered asks files for each name only once: names are tried at several levels, and reading
// from a tarball is expensive.
func remembered(files Files) Files {
	type answer struct {
		content Content
		err     error
	}
	known := make(map[string]answer)
	return func(name string) (Content, error) {
		a, ok := known[name]
		if !ok {
			a.content, a.err = files(name)
			known[name] = a
		}
		return a.content, a.err
	}
}

// planner is the state while a plan is made.
type planner struct {
	files  Files
	opt    Options
	states map[string]*state
	plan   *Plan
	issues []*Problem
}

// state is a file's content before the patch and at present. A patch that is a whole series
// changes a file several times.
type state struct {
	before, now *Content
	from        string
}

func work(p *Patch, files Files, opt Options) (*Plan, []*Problem, error) {
	w := &planner{
		files: files, opt: opt, states: make(map[string]*state),
		plan: &Plan{Patch: p.Name, Strip: opt.Strip},
	}
	order := slices.Clone(p.Files)
	if opt.Reverse {
		slices.Reverse(order)
	}
	for _, f := range order {
		known := len(w.issues)
		if err := w.file(f); err != nil {
			return nil, nil, err
		}
		for _, problem := range w.issues[known:] {
			problem.section = f
		}
	}
	for name, s := range w.states {
		if !same(s.before, s.now) {
			w.plan.Changes = append(w.plan.Changes, Change{Name: name, From: s.from, Before: s.before, After: s.now})
		}
	}
	slices.SortFunc(w.plan.Changes, func(a, b Change) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return w.plan, w.issues, nil
}

func same(a, b *Content) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Mode == b.Mode && string(a.Data) == string(b.Data)
}

// get returns a file's state, and reads the file the first time.
func (w *planner) get(name string) (*state, error) {
	if s, ok := w.states[name]; ok {
		return s, nil
	}
	s := &state{from: name}
	c, err := w.files(name)
	switch {
	case err == nil:
		c.Mode &= fs.ModeType | fs.ModePerm
		s.before, s.now = &c, &c
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	w.states[name] = s
	return s, nil
}

// current returns files as the patch has left them so far.
func (w *planner) current(name string) (Content, error) {
	s, err := w.get(name)
	if err != nil {
		return Content{}, err
	}
	if s.now == nil {
		return Content{}, fs.ErrNotExist
	}
	return *s.now, nil
}

// issue records a problem with a whole file.
func (w *planner) issue(f *File, name string, r Reason, detail string) {
	w.issues = append(w.issues, &Problem{File: name, PatchLine: f.Line, Reason: r, Detail: detail})
}
