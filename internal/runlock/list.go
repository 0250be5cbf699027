// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Lock is a lock that is held.
type Lock struct {
	Path    string   `json:"path"`    // the lock file, or the directory in the old way
	Locked  string   `json:"locked"`  // what it locks, as far as the file's name tells
	Holders []Holder `json:"holders"` // one when exclusive
}

// List returns the locks that are held. dirs are the directories of the datastore's
// groups and snapshots by what they are called, looked at in the old way only. keys are what
// the locks are filed under; it makes nothing.
func (l *Locks) List(keys []string, dirs map[string]string) ([]Lock, error) {
	table, err := lockTable()
	if err != nil {
		return nil, err
	}
	find := finder{table: table}
	var locks []Lock
	told := map[string]bool{} // each once, however many files it is
	add := func(path, what string, probe bool) {
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil || told[what] {
			return
		}
		holders := find.holders(inodeOf(&st))
		if len(holders) == 0 && probe {
			if h, held := heldUnseen(path); held {
				holders = []Holder{h}
			}
		}
		if len(holders) > 0 {
			told[what] = true
			locks = append(locks, Lock{Path: path, Locked: what, Holders: holders})
		}
	}
	for _, key := range keys {
		root := filepath.Join(l.place.Root, key)
		_, e := walk(root, func(file string) { add(filepath.Join(root, file), Describe(file), true) })
		err = errors.Join(err, e)
	}
	if l.old {
		for what, dir := range dirs {
			add(dir, what, false)
		}
	}
	return locks, err
}

// Describe says what a lock file, given relative to the datastore's lock directory, locks.
func Describe(file string) string {
	s, ok := parse(file)
	if !ok {
		return file
	}
	what := s.Type + "/" + s.ID
	if s.Time != "" {
		what += "/" + s.Time
	}
	if strings.HasSuffix(file, manifestSuffix) {
		what += " (manifest)"
	}
	return strings.Join(append(s.Namespace, what), "/")
}

// walk calls f with every lock file, relative to the datastore's lock directory, and
// returns the directories, each before those in it.
func walk(root string, f func(file string)) (dirs []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, path)
		case d.Type().IsRegular():
			f(strings.TrimPrefix(path, root+"/"))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list locks: %w", err)
	}
	return dirs, nil
}

// maxSweep bounds how many locks a sweep holds at once.
const maxSweep = 64

// Sweep removes the lock files of what is not there any more, and empty directories, as
// killed processes leave them. existing returns the groups (with no Time) and snapshots that
// there are; it is asked a second time under the locks, for then nothing can be made behind
// its back. What is filed under a name that other stores may have is left to the reboot.
func (l *Locks) Sweep(ctx context.Context, existing func() ([]Snapshot, error)) error {
	if err := l.prepare(); err != nil {
		return err
	}
	root := l.roots[0]
	wanted := func() (map[string]bool, error) {
		all, err := existing()
		files := make(map[string]bool, 3*len(all))
		for _, s := range all {
			if s.Time == "" {
				files[path(root, s.Namespace, s.Type+"/"+s.ID)] = true
				continue
			}
			files[path(root, s.Namespace, s.relative())] = true
			files[path(root, s.Namespace, s.relative()+manifestSuffix)] = true
		}
		return files, err
	}
	keep, err := wanted()
	if err != nil {
		return err
	}
	var unwanted []string
	dirs, err := walk(root, func(file string) {
		if path := filepath.Join(root, file); !keep[path] {
			unwanted = append(unwanted, path)
		}
	})
	for some := range slices.Chunk(unwanted, maxSweep) {
		if err == nil {
			err = l.sweep(ctx, some, root, wanted)
		}
	}
	for _, dir := range slices.Backward(dirs) {
		unix.Rmdir(dir) // where it is empty; who needs it makes it again
	}
	return err
}

// sweep removes those of some lock files that are still not wanted under their locks.
func (l *Locks) sweep(ctx context.Context, files []string, root string, wanted func() (map[string]bool, error)) error {
	var stale []part
	for _, path := range files {
		// One that is held is somebody's who is at work, and theirs to remove.
		if fd, err := l.locked(ctx, path, root, unix.LOCK_EX, 0); err == nil {
			stale = append(stale, part{fd, path, root})
		}
	}
	if stale == nil {
		return nil
	}
	keep, err := wanted()
	for _, p := range stale {
		if err == nil && !keep[p.path] {
			err = p.remove()
		} else {
			err = errors.Join(err, p.release())
		}
	}
	return err
}
