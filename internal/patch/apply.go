// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"ovzpatch/internal/atomicfile"
)

// Apply makes a plan's changes to the tree, all or none: after an error every file is as it was,
// and after SIGKILL the next OpenTree restores it. OpenTree does so after a power failure, too,
// for a plan of at most maxSynced files. Replaced files keep their mode and owner; what shares
// their inode (a tree copied by cp -al) keeps the old content. Apply fails if a file is not as
// the plan found it, and with ErrBusy if another program reads or changes the tree.
func (t *Tree) Apply(ctx context.Context, plan *Plan) error {
	if len(plan.Changes) == 0 {
		return nil
	}
	if err := t.flock(syscall.LOCK_EX); err != nil {
		return fmt.Errorf("apply patch %s: %w", plan.Patch, err)
	}
	if err := t.apply(ctx, plan.Changes); err != nil {
		return fmt.Errorf("apply patch %s: %w", plan.Patch, err)
	}
	return t.flock(syscall.LOCK_SH)
}

func (t *Tree) apply(ctx context.Context, changes []Change) error {
	// Removals go first: a file may make room for a directory of the same name.
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b Change) int {
		switch {
		case a.After == nil && b.After != nil:
			return -1
		case a.After != nil && b.After == nil:
			return 1
		}
		return 0
	})
	j := &journal{}
	for _, c := range changes {
		if c.Name == journalDir || strings.HasPrefix(c.Name, journalDir+"/") {
			return fmt.Errorf("%s holds the journal; no patch may change it", c.Name)
		}
		if err := t.unchanged(c); err != nil {
			return err
		}
		j.Steps = append(j.Steps, step{Name: c.Name, Old: c.Before != nil, New: c.After != nil})
	}
	if err := t.dirs(j, changes); err != nil {
		return err
	}
	err := t.stage(ctx, j, changes)
	if err != nil {
		return errors.Join(err, dropJournal(t.root))
	}
	if err := t.perform(ctx, j); err != nil {
		return errors.Join(err, j.undo(t.root))
	}
	if err := syncDir(t.root, journalDir); err != nil {
		return err
	}
	return finish(t.root)
}

// unchanged makes sure that a file is still as the plan found it.
func (t *Tree) unchanged(c Change) error {
	now, err := t.File(c.Name)
	if errors.Is(err, fs.ErrNotExist) && c.Before == nil {
		return nil
	}
	if err != nil {
		return err
	}
	if !same(&now, c.Before) {
		return fmt.Errorf("%s has changed since the patch was placed; run again", c.Name)
	}
	return nil
}

// dirs returns the directories to make, and those that may become empty.
func (t *Tree) dirs(j *journal, changes []Change) error {
	gone := make(map[string]bool)
	var made []string
	for _, c := range changes {
		if c.After == nil {
			gone[c.Name] = true
			for dir := path.Dir(c.Name); dir != "."; dir = path.Dir(dir) {
				j.Empty = append(j.Empty, dir)
			}
			continue
		}
		var missing []string
		for dir := path.Dir(c.Name); dir != "."; dir = path.Dir(dir) {
			_, err := t.root.Stat(dir)
			if err == nil && !gone[dir] {
				break
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
				return err
			}
			missing = append(missing, dir)
		}
		made = append(made, missing...)
	}
	slices.Sort(made)
	j.Dirs = slices.Compact(made)
	slices.Sort(j.Empty)
	j.Empty = slices.Compact(j.Empty)
	slices.Reverse(j.Empty)
	return nil
}

// stagers is how many files are written, and then synced, at once.
const stagers = 8

// stage fills the journal's directory; it only reads the tree's own files. It writes all files
// before it syncs the first: the file system then commits them together, where a sync after each
// file would cost one commit each.
func (t *Tree) stage(ctx context.Context, j *journal, changes []Change) error {
	for _, dir := range []string{journalDir, journalDir + "/new", journalDir + "/old"} {
		if err := t.root.Mkdir(dir, 0o700); err != nil {
			return atomicfile.NotMade(err, t.root.Name())
		}
	}
	if err := inParallel(ctx, len(changes), func(n int) error { return t.stageOne(n, changes[n]) }); err != nil {
		return err
	}
	if j.synced() {
		if err := inParallel(ctx, len(changes), func(n int) error { return t.syncNew(n, changes[n]) }); err != nil {
			return err
		}
		for _, dir := range []string{journalDir + "/new", journalDir + "/old"} {
			if err := syncDir(t.root, dir); err != nil {
				return err
			}
		}
	}
	return atomicfile.NotMade(j.write(t.root), t.root.Name())
}

// inParallel calls do for 0 to n-1, several at once, until one fails or ctx ends.
func inParallel(ctx context.Context, n int, do func(int) error) error {
	var wait sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, min(n, stagers))
	for worker := range errs {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[worker] == nil; i = int(next.Add(1)) - 1 {
				if errs[worker] = ctx.Err(); errs[worker] == nil {
					errs[worker] = do(i)
				}
			}
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return err // once, and not by each of them
	}
	return errors.Join(errs...)
}

// syncNew syncs the new file of change n to the disk.
func (t *Tree) syncNew(n int, c Change) error {
	if c.After == nil || c.After.Mode&fs.ModeSymlink != 0 {
		return nil
	}
	f, err := t.root.Open(newFile(n))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (t *Tree) stageOne(n int, c Change) error {
	if c.Before != nil {
		if err := t.root.Link(c.Name, oldFile(n)); err != nil {
			return fmt.Errorf("keep a second name of the file until the new one is there: %w", atomicfile.NotMade(err, c.Name))
		}
	}
	if c.After == nil {
		return nil
	}
	if err := t.create(newFile(n), c); err != nil {
		return fmt.Errorf("write %s anew: %w", c.Name, atomicfile.Named(err, newFile(n), c.Name))
	}
	return nil
}

// create writes a change's new file as name.
func (t *Tree) create(name string, c Change) error {
	if c.After.Mode&fs.ModeSymlink != 0 {
		if err := t.root.Symlink(string(c.After.Data), name); err != nil {
			return err
		}
		return t.takeOwner(name, c.From)
	}
	f, err := t.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, c.After.Mode.Perm())
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(c.After.Data); err != nil {
		return err
	}
	if err := t.takeOwner(name, c.From); err != nil {
		return err
	}
	// The umask is for new files; an existing file keeps its mode.
	if _, err := t.lstat(c.From); err == nil {
		if err := f.Chmod(c.After.Mode.Perm()); err != nil {
			return err
		}
	}
	return f.Close()
}

// takeOwner sets name's owner and group to those of the file from, if that exists.
func (t *Tree) takeOwner(name, from string) error {
	old, err := t.lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	now, err := t.root.Lstat(name)
	if err != nil {
		return err
	}
	want, have := old.Sys().(*syscall.Stat_t), now.Sys().(*syscall.Stat_t)
	if want.Uid == have.Uid && want.Gid == have.Gid {
		return nil
	}
	if err := t.root.Lchown(name, int(want.Uid), int(want.Gid)); err != nil {
		return fmt.Errorf("keep its owner; run as the tree's owner: %w", err)
	}
	return nil
}

// perform makes the changes. Until the rename at its end the tree is half changed.
func (t *Tree) perform(ctx context.Context, j *journal) error {
	for _, s := range j.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.New {
			continue
		}
		if err := t.root.Remove(s.Name); err != nil {
			return err
		}
	}
	for _, dir := range j.Dirs {
		if err := t.root.Mkdir(dir, 0o777); err != nil {
			return err
		}
	}
	for n, s := range j.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !s.New {
			continue
		}
		if err := t.root.Rename(newFile(n), s.Name); err != nil {
			return atomicfile.NotMade(err, s.Name)
		}
	}
	if j.synced() {
		for _, dir := range parents(j.Steps) {
			if err := syncDir(t.root, dir); err != nil {
				return err
			}
		}
	}
	return t.root.Rename(journalFile, doneFile)
}

// parents returns the directories whose entries the steps change.
func parents(steps []step) []string {
	var dirs []string
	for _, s := range steps {
		dirs = append(dirs, path.Dir(s.Name))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
