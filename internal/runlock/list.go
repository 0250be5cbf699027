// SPDX-License-Identifier: GPL-2.0-only

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

// List gives the locks that are held. dirs are the directories of the datastore's
// groups and snapshots by what they are called, looked at in the old way only.
func (l *Locks) List(dirs map[string]string) ([]Lock, error) {
	table, err := lockTable()
	if err != nil {
		return nil, err
	}
	var locks []Lock
	add := func(path, what string) {
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil && len(table[inodeOf(&st)]) > 0 {
			locks = append(locks, Lock{Path: path, Locked: what, Holders: table[inodeOf(&st)]})
		}
	}
	_, err = l.walk(func(file string) { add(filepath.Join(l.root, file), Describe(file)) })
	if l.old {
		for what, dir := range dirs {
			add(dir, what)
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
// gives the directories, each before those in it.
func (l *Locks) walk(f func(file string)) (dirs []string, err error) {
	err = filepath.WalkDir(l.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, path)
		case d.Type().IsRegular():
			f(strings.TrimPrefix(path, l.root+"/"))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list locks: %w", err)
	}
	return dirs, nil
}

// maxSweep bounds how many locks one Sweep holds at once.
const maxSweep = 512

// Sweep removes the lock files of what is not there any more, and empty directories, as
// killed processes leave them. existing gives the groups (with no Time) and snapshots that there are; it is
// asked a second time under the locks, for then nothing can be made behind its back.
func (l *Locks) Sweep(ctx context.Context, existing func() ([]Snapshot, error)) error {
	wanted := func() (map[string]bool, error) {
		all, err := existing()
		files := make(map[string]bool, 3*len(all))
		for _, s := range all {
			if s.Time == "" {
				files[l.path(s.Namespace, s.Type+"/"+s.ID)] = true
				continue
			}
			files[l.path(s.Namespace, s.relative())] = true
			files[l.path(s.Namespace, s.relative()+manifestSuffix)] = true
		}
		return files, err
	}
	keep, err := wanted()
	if err != nil {
		return err
	}
	var stale []*Exclusive
	dirs, err := l.walk(func(file string) {
		path := filepath.Join(l.root, file)
		if keep[path] || len(stale) == maxSweep {
			return
		}
		// One that is held is somebody's who is at work, and theirs to remove.
		if lock, err := l.exclusive(ctx, path, "", 0); err == nil {
			stale = append(stale, lock)
		}
	})
	keep, e := wanted()
	err = errors.Join(err, e)
	for _, lock := range stale {
		if err == nil && !keep[lock.path] {
			err = lock.Remove()
		} else {
			err = errors.Join(err, lock.Unlock())
		}
	}
	for _, dir := range slices.Backward(dirs) {
		unix.Rmdir(dir) // where it is empty; who needs it makes it again
	}
	return err
}
