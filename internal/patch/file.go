// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"io/fs"
	"path/filepath"
)

// way is a file's change in the direction in which it is applied.
type way struct {
	oldName, newName string // stripped; the same except for a rename or copy
	isNew, isDelete  bool
	isRename, isCopy bool
	newMode          fs.FileMode // git's number, 0 if absent
}

// turn finds the names in the tree, and reverses a reverse change.
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
		// The reverse of a copy deletes the copy, which must be as the patch left it.
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
	if !w.namesAreRight(f, v) {
		return nil
	}
	old, err := w.get(v.oldName)
	if err != nil {
		return err
	}
	target, err := w.get(v.newName)
	if err != nil {
		return err
	}
	content := Content{}
	if old.now != nil {
		content = *old.now
	}
	if !w.canBeChanged(f, v, old.now, target.now, content.Mode) {
		return nil
	}
	data, ok, err := w.contents(f, v, content.Data)
	if err != nil || !ok {
		return err
	}
	if v.isDelete {
		if len(data) > 0 {
			w.issue(f, v.oldName, Leftover, fmt.Sprintf("%d bytes would stay; the file differs from what the patch deletes", len(data)))
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

// namesAreRight tells whether the names are those of files below the tree, and notes what they are else.
func (w *planner) namesAreRight(f *File, v way) bool {
	for _, name := range []string{v.oldName, v.newName} {
		if name == "" {
			w.issue(f, f.names()[0], Missing, fmt.Sprintf("nothing is left of the name without its first %d directories; is --strip right?", w.opt.Strip))
			return false
		}
		if !filepath.IsLocal(name) || name == "." {
			w.issue(f, name, UnsafeName, "names must be relative and without ..")
			return false
		}
	}
	return true
}

// canBeChanged tells whether what is in the tree can be changed in this way, and notes why not. nil is a file
// that is not there.
func (w *planner) canBeChanged(f *File, v way, old, target *Content, mode fs.FileMode) bool {
	creates := v.isNew || old == nil && f.Hunks() == 1 && len(f.hunks(w.opt.Reverse, false)[0].old) == 0 && !v.isRename && !v.isCopy
	switch {
	case creates && old != nil && len(old.Data) > 0:
		w.issue(f, v.oldName, Exists, "")
	case !creates && old == nil:
		w.issue(f, v.oldName, Missing, "is this the right tree, and --strip right?")
	case v.oldName != v.newName && target != nil:
		w.issue(f, v.newName, Exists, "")
	case !regularOrLink(mode):
		w.issue(f, v.oldName, Unsupported, "it is neither a file nor a symbolic link, and a patch can change nothing else")
	case mode&fs.ModeSymlink != 0 && !(f.git && isLinkMode(f.diff.OldMode, f.diff.NewMode)):
		w.issue(f, v.oldName, Unsupported, "it is a symbolic link, and nothing is written through links")
	default:
		return true
	}
	return false
}

// contents returns the file's new bytes. ok is false if it noted problems instead.
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
