// SPDX-License-Identifier: GPL-2.0-only

package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// Options say how a patch is to be put in. The zero value strips nothing and allows no
// fuzz.
type Options struct {
	// Strip is how many leading components of the patch's names to take off, as -p does;
	// negative means to find it out from which files are there.
	Strip int
	// Fuzz is how many context lines at either end of a hunk may differ.
	Fuzz int
	// Reverse takes the patch out.
	Reverse bool
}

// Placement is where a hunk goes.
type Placement struct {
	File      string   `json:"file"`
	Hunk      int      `json:"hunk"`       // from 1
	PatchLine int      `json:"patch_line"` // of its header
	Line      int      `json:"line"`       // where its first line lies in the file before
	NewLine   int      `json:"new_line"`   // and after
	Offset    int      `json:"offset"`     // lines from where its header says
	Fuzz      int      `json:"fuzz"`       // context lines left out at either end
	Functions []string `json:"functions"`  // C functions that hold its changes; none at file level
	Added     []Range  `json:"added"`      // lines it adds, in the file after
}

// Range is a run of lines, both ends included, from 1.
type Range struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// Change is what happens to one name in the tree.
type Change struct {
	Name   string
	From   string   // the file whose owner and mode it takes; Name itself, or what was renamed
	Before *Content // nil when there was none
	After  *Content // nil when it goes
}

// Plan is a patch worked out for certain sources: every byte of the outcome.
type Plan struct {
	Patch      string // its name
	Strip      int    // leading components taken off
	Applied    bool   // it is in already: there is nothing to do, and the placements say where it is
	Placements []Placement
	Changes    []Change // sorted by name
}

// After gives the file name as it will be, and whether the plan changes it.
func (p *Plan) After(name string) (*Content, bool) {
	for _, c := range p.Changes {
		if c.Name == name {
			return c.After, true
		}
	}
	return nil, false
}

// NewPlan works out what p does to the sources that files gives, and asks for no other
// files than those p names. It writes nothing. When p does not go in, the error is a
// *NotApplicable with everything that is in the way; when p is in already, the plan says
// so and holds no changes.
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
				Detail: "nor is any other of its files, whatever leading directories are taken off; is this the right tree? else give --strip",
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
	// What comes out again without a rest, and without fuzz, is in.
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
	return nil, &NotApplicable{Patch: p.Name, Problems: problems}
}

// couldBeApplied reports whether undoing a patch tells anything. It does not where the
// patch still fits, if in too many places, nor where undoing a hunk only adds lines, which
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

// remembered asks files for each name once: names are tried at several levels, and a
// tarball gives nothing cheaply.
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

// planner is the state while a plan is worked out.
type planner struct {
	files  Files
	opt    Options
	states map[string]*state
	plan   *Plan
	issues []*Problem
}

// state is a name's content before and so far. A patch that is a whole series changes a
// file several times.
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
		if err := w.file(f); err != nil {
			return nil, nil, err
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

// get gives a name's state, reading the file when it is asked for first.
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

// current is files as the patch has left them so far.
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

// issue notes a problem with a file as a whole.
func (w *planner) issue(f *File, name string, r Reason, detail string) {
	w.issues = append(w.issues, &Problem{File: name, PatchLine: f.Line, Reason: r, Detail: detail})
}

// way is a file's change turned into the direction in which it is put in.
type way struct {
	oldName, newName string // stripped; the same but for a rename or copy
	isNew, isDelete  bool
	isRename, isCopy bool
	newMode          fs.FileMode // git's number, 0 when not said
}

// turn finds the names in the tree and turns a reverse change round.
func (w *planner) turn(f *File) (v way, err error) {
	d := f.diff
	v = way{isNew: d.IsNew, isDelete: d.IsDelete, isRename: d.IsRename, isCopy: d.IsCopy, newMode: d.NewMode}
	if d.IsRename || d.IsCopy {
		v.oldName, v.newName = stripped(f.OldName, w.opt.Strip), stripped(f.NewName, w.opt.Strip)
	} else {
		v.oldName, err = f.target(w.current, w.opt.Strip)
		v.newName = v.oldName
	}
	if w.opt.Reverse {
		v.oldName, v.newName = v.newName, v.oldName
		v.isNew, v.isDelete = v.isDelete, v.isNew
		v.newMode = d.OldMode
		if d.IsNew || d.NewMode == 0 {
			v.newMode = 0
		}
		if d.IsDelete {
			v.newMode = d.OldMode
		}
		// The reverse of a copy is a deletion of the copy, which must be as the patch left it.
		if d.IsCopy {
			v.isCopy, v.isDelete = false, true
			v.newName = v.oldName
		}
	}
	return v, err
}

// file works out one file's change.
func (w *planner) file(f *File) error {
	v, err := w.turn(f)
	if err != nil {
		return err
	}
	for _, name := range []string{v.oldName, v.newName} {
		if name == "" {
			w.issue(f, f.names()[0], UnsafeName, fmt.Sprintf("no name is left without the first %d components", w.opt.Strip))
			return nil
		}
		if !filepath.IsLocal(name) || name == "." {
			w.issue(f, name, UnsafeName, "names must be relative and without ..")
			return nil
		}
	}
	old, err := w.get(v.oldName)
	if err != nil {
		return err
	}
	target, err := w.get(v.newName)
	if err != nil {
		return err
	}
	creates := v.isNew || old.now == nil && f.Hunks() == 1 && len(f.hunks(w.opt.Reverse, false)[0].old) == 0 && !v.isRename && !v.isCopy
	switch {
	case creates && old.now != nil && len(old.now.Data) > 0:
		w.issue(f, v.oldName, Exists, "")
		return nil
	case !creates && old.now == nil:
		w.issue(f, v.oldName, Missing, "is this the right tree, and --strip right?")
		return nil
	case v.oldName != v.newName && target.now != nil:
		w.issue(f, v.newName, Exists, "")
		return nil
	}
	content := Content{}
	if old.now != nil {
		content = *old.now
	}
	if !regularOrLink(content.Mode) {
		w.issue(f, v.oldName, Unsupported, "only files and symbolic links are changed, and this is neither")
		return nil
	}
	if content.Mode&fs.ModeSymlink != 0 && !(f.git && isLinkMode(f.diff.OldMode, f.diff.NewMode)) {
		w.issue(f, v.oldName, Unsupported, "it is a symbolic link, and what a link leads to is not written through it")
		return nil
	}
	data, ok, err := w.contents(f, v, content.Data)
	if err != nil || !ok {
		return err
	}
	if v.isDelete {
		if len(data) > 0 {
			w.issue(f, v.oldName, Leftover, fmt.Sprintf("%d bytes stay; the file differs from what the patch deletes", len(data)))
			return nil
		}
		old.now = nil
		return nil
	}
	mode, ok := newMode(content.Mode, v.newMode)
	if !ok {
		w.issue(f, v.oldName, Unsupported, fmt.Sprintf("mode %o is neither a file's nor a symbolic link's", v.newMode))
		return nil
	}
	target.now = &Content{Data: data, Mode: mode}
	if v.oldName != v.newName {
		target.from = old.from
		if v.isRename {
			old.now = nil
		}
	}
	return nil
}

// contents gives the file's new bytes. ok is false when problems were noted instead.
func (w *planner) contents(f *File, v way, before []byte) (after []byte, ok bool, err error) {
	if f.diff.IsBinary {
		return w.binary(f, v, before)
	}
	if f.Hunks() == 0 {
		if v.isDelete && f.diff.IsCopy {
			return nil, true, nil
		}
		return before, true, nil
	}
	if len(before) > maxFile {
		w.issue(f, v.oldName, Unsupported, "the file is larger than 4 GiB")
		return nil, false, nil
	}
	placed := &placer{name: v.newName, text: newText(before), opt: w.opt}
	after = placed.run(f)
	w.plan.Placements = append(w.plan.Placements, placed.placements...)
	w.issues = append(w.issues, placed.problems...)
	if v.isDelete && f.diff.IsCopy && len(placed.problems) == 0 {
		return nil, true, nil
	}
	return after, len(placed.problems) == 0, nil
}
