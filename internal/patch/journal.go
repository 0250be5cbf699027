// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"ovzpatch/internal/plainfile"
)

// The journal is in the tree's own root, so that it is on the same file system as the files
// (rename must not copy), the next run finds it whoever starts that, and it goes away with the
// tree. It holds
//
//	new/N    the new file of change N, complete and synced
//	old/N    a hard link to the file that change N replaces or removes
//	journal  what to do; it exists before the first change of the tree
//	done     the same, renamed once every change is made
//
// A run that finds "journal" undoes the changes: renaming old/N restores the same inode, with its
// mode, owner, times and other hard links. A run that finds "done" cleans up. A run that finds
// neither knows that the tree was not touched, or is already restored.
const (
	journalDir  = ".ovzpatch"
	journalFile = journalDir + "/journal"
	doneFile    = journalDir + "/done"
)

func newFile(n int) string { return journalDir + "/new/" + strconv.Itoa(n) }
func oldFile(n int) string { return journalDir + "/old/" + strconv.Itoa(n) }

// journal lists the changes in the order in which they are made.
type journal struct {
	Steps []step
	Dirs  []string // directories to make, parents first
	Empty []string // directories that may be empty afterwards, children first
}

// maxSynced is the largest number of changed files for which Apply waits for the disk. Only a
// power failure needs that, SIGKILL does not. The ports change one file or a few. A patch as
// large as a kernel release would wait several times as long as it works, for files that tar
// unpacked a moment ago, also without waiting.
const maxSynced = 64

func (j *journal) synced() bool { return len(j.Steps) <= maxSynced }

// step is the change of one name; its number is its place in the list.
type step struct {
	Name string
	Old  bool // there was a file
	New  bool // there will be one
}

// write puts the journal in place, whole and synced, or not at all.
func (j *journal) write(root *os.Root) error {
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	const temp = journalFile + ".new"
	f, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := root.Rename(temp, journalFile); err != nil {
		return err
	}
	return syncDir(root, journalDir)
}

// Recovery is what became of a run that was stopped.
type Recovery int

// NotNeeded is of a tree in which no run was stopped. Undone is of one that is as it was before that run, Completed of one
// that has all its changes, and Cleared of one that is either: that run was stopped before its first change or after its last.
const (
	NotNeeded Recovery = iota
	Undone
	Completed
	Cleared
)

// recoverTree brings a tree with a journal directory into the state before the run or, if the run
// had come to its end, after it.
func recoverTree(root *os.Root) (Recovery, error) {
	data, err := plainfile.ReadIn(root, journalFile)
	if errors.Is(err, fs.ErrNotExist) {
		which := Cleared
		if _, err := root.Lstat(doneFile); err == nil {
			which = Completed
		}
		return which, finish(root)
	}
	if err != nil {
		return NotNeeded, err
	}
	var j journal
	if err := json.Unmarshal(data, &j); err != nil {
		return NotNeeded, fmt.Errorf("read %s: %w", journalFile, err)
	}
	return Undone, j.undo(root)
}

// undo reverts the steps that were made, in whatever state they are. It can be killed and run
// again.
func (j *journal) undo(root *os.Root) error {
	// In the opposite order: a directory may stand where a file was.
	restore := func(written bool) error {
		for n, s := range j.Steps {
			if s.New != written {
				continue
			}
			if err := s.undo(root, n); err != nil {
				return fmt.Errorf("restore %s: %w", s.Name, err)
			}
		}
		return nil
	}
	if err := restore(true); err != nil {
		return err
	}
	for _, dir := range slices.Backward(j.Dirs) {
		// If it holds something by now, it belongs to somebody; leave it.
		root.Remove(dir)
	}
	if err := restore(false); err != nil {
		return err
	}
	for _, dir := range parents(j.Steps) {
		if err := syncDir(root, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// A journal without its name means: restored. Only now may old and new go.
	if err := root.Remove(journalFile); err != nil {
		return err
	}
	if err := syncDir(root, journalDir); err != nil {
		return err
	}
	return dropJournal(root)
}

func (s step) undo(root *os.Root, n int) error {
	if s.Old {
		err := root.Rename(oldFile(n), s.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	// A new file that is still in the journal was not put in place.
	if _, err := root.Lstat(newFile(n)); err == nil {
		return nil
	}
	if err := root.Remove(s.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// finish cleans up after a run that made all its changes or none.
func finish(root *os.Root) error {
	data, err := plainfile.ReadIn(root, doneFile)
	switch {
	case err == nil:
		var j journal
		if err := json.Unmarshal(data, &j); err != nil {
			return fmt.Errorf("read %s: %w", doneFile, err)
		}
		for _, dir := range j.Empty {
			// This fails, as it should, if something is left in it.
			root.Remove(dir)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return dropJournal(root)
}

// dropJournal removes the directory of the journal, if there is one: a tree that cannot be written to has none,
// and refuses to remove it.
func dropJournal(root *os.Root) error {
	if _, err := root.Lstat(journalDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return root.RemoveAll(journalDir)
}

func syncDir(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
