// SPDX-License-Identifier: Apache-2.0

// Package runlock is the lock files of a datastore under /run. A lock is an flock(2) on
// a file of its own, never on anything inside the datastore; it ends with the last
// descriptor, so no crash leaves a stale one. What can be locked is a group, a snapshot
// or a manifest, each in the only ways that make sense, so a shared group lock or a
// lock that waits where nothing should wait cannot be written down.
package runlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ManifestWait is how long a manifest's lock is waited for. Groups and snapshots are
// never waited for: who holds them may do so for hours.
const ManifestWait = 5 * time.Second

// raceWait is how long a lock is tried again whose file was removed under us. Nobody
// holds such a lock, so this is no waiting, only an end to a loop that cannot go on.
const raceWait = 5 * time.Second

// Locks takes the locks of one datastore.
type Locks struct {
	place Place
	old   bool
	valid func(fd int, path string) (bool, error)
	keys  func() ([]string, error)

	ready atomic.Bool
	mu    sync.Mutex
	roots []string // one directory of lock files for each key; a lock is one file in each
}

// oldLocking remembers per marker whether it was there when this process first looked.
var oldLocking sync.Map

// New returns the locks of a datastore that are filed under what keys returns; a lock with
// several is one under each of them. It touches no file but the marker; keys is asked when
// the first lock is taken.
func New(p Place, keys func() ([]string, error)) (*Locks, error) {
	once, _ := oldLocking.LoadOrStore(p.OldMarker, sync.OnceValues(func() (bool, error) {
		_, err := os.Lstat(p.OldMarker)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			return false, nil // who only reads goes on; who locks is told what is in the way
		}
		// An earlier release may have shut us out of its directory. To lock both ways is
		// right whether or not the marker is there.
		if err == nil || errors.Is(err, os.ErrPermission) {
			return true, nil
		}
		return false, err
	}))
	old, err := once.(func() (bool, error))()
	if err != nil {
		return nil, fmt.Errorf("find out how datastores are locked: %w", err)
	}
	return &Locks{place: p, old: old, valid: sameFile, keys: keys}, nil
}

// Ready returns the error that taking a lock would end with for the place of the locks, so
// that long work need not find out at its end.
func (l *Locks) Ready() error { return l.prepare() }

// prepare finds the directories of lock files, once.
func (l *Locks) prepare() error {
	if l.ready.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.roots != nil {
		return nil
	}
	if err := l.place.prepare(); err != nil {
		return err
	}
	keys, err := l.keys()
	if err != nil {
		return err
	}
	for _, key := range keys {
		l.roots = append(l.roots, filepath.Join(l.place.Root, key))
	}
	l.ready.Store(true)
	return nil
}

// Beside returns these locks for who holds the same ones of other exclusively: what both
// are filed under is not locked again.
func (l *Locks) Beside(other *Locks) (*Locks, error) {
	if err := errors.Join(l.prepare(), other.prepare()); err != nil {
		return nil, err
	}
	b := &Locks{place: l.place, old: l.old, valid: l.valid, keys: l.keys}
	for _, r := range l.roots {
		if !slices.Contains(other.roots, r) {
			b.roots = append(b.roots, r)
		}
	}
	if b.roots == nil {
		return l, nil
	}
	b.ready.Store(true)
	return b, nil
}

// Old tells whether directories are locked besides lock files.
func (l *Locks) Old() bool { return l.old }

// Group names a group: what it is called, and the directory that stands for it when
// the old way of locking is in force.
type Group struct {
	Namespace []string // from the outermost in
	Type, ID  string
	Dir       string
}

// Snapshot names a snapshot of a group; Dir is the snapshot's own directory.
type Snapshot struct {
	Group
	Time string
}

// Exclusive is a lock that nobody else holds in any way.
type Exclusive struct{ held }

// Shared is a lock that only excludes an Exclusive one. It never becomes one.
type Shared struct{ held }

// Group locks a group exclusively, or fails at once with a *HeldError.
func (l *Locks) Group(ctx context.Context, g Group) (*Exclusive, error) {
	return l.exclusive(ctx, g.Namespace, g.Type+"/"+g.ID, g.Dir, 0)
}

// Snapshot locks a snapshot exclusively, or fails at once with a *HeldError.
func (l *Locks) Snapshot(ctx context.Context, s Snapshot) (*Exclusive, error) {
	return l.exclusive(ctx, s.Namespace, s.relative(), s.Dir, 0)
}

// SnapshotShared locks a snapshot for reading, or fails at once with a *HeldError.
func (l *Locks) SnapshotShared(ctx context.Context, s Snapshot) (*Shared, error) {
	lock := new(Shared)
	err := l.take(ctx, &lock.held, s.Namespace, s.relative(), s.Dir, unix.LOCK_SH, 0)
	if err != nil {
		return nil, err
	}
	return lock, nil
}

// Manifest locks a snapshot's manifest exclusively, waiting up to ManifestWait. It is a
// file under Root in the old way too, as it always was.
func (l *Locks) Manifest(ctx context.Context, s Snapshot) (*Exclusive, error) {
	return l.exclusive(ctx, s.Namespace, s.relative()+manifestSuffix, "", ManifestWait)
}

func (l *Locks) exclusive(ctx context.Context, namespace []string, relative, dir string, wait time.Duration) (*Exclusive, error) {
	lock := new(Exclusive)
	err := l.take(ctx, &lock.held, namespace, relative, dir, unix.LOCK_EX, wait)
	if err != nil {
		return nil, err
	}
	return lock, nil
}

// part is a descriptor with a lock on it.
type part struct {
	fd   int
	path string
	root string // "" when path is a directory of the datastore
}

// held is what one lock consists of: one part, or several where it is known by several
// names or held in the old way as well.
type held struct {
	released atomic.Bool
	first    part
	more     []part
}

func (h *held) parts(f func(part) error) error {
	if h.more == nil {
		return f(h.first)
	}
	err := f(h.first)
	for _, p := range h.more {
		err = errors.Join(err, f(p))
	}
	return err
}

// Unlock releases the lock. Calling it again does nothing, so that it can be deferred
// beside a Remove.
func (h *held) Unlock() error {
	if h.released.Swap(true) {
		return nil
	}
	return h.parts(part.release)
}

// release unlocks before it closes: a child of ours between fork and exec still has the
// descriptor and would hold the lock a moment longer.
func (p part) release() error {
	err := flock(p.fd, unix.LOCK_UN)
	if e := unix.Close(p.fd); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("unlock %s: %w", p.path, err)
	}
	return nil
}

// Remove removes the lock's files, and the directories that it leaves empty, and gives
// the lock back. To be called when what it locked is gone. The directory that the old way
// locks is the caller's to remove.
func (e *Exclusive) Remove() error {
	if e.released.Swap(true) {
		return fmt.Errorf("remove lock %s: it was released before", e.first.path)
	}
	return e.parts(part.remove)
}

func (p part) remove() error {
	var err error
	if p.root != "" {
		if err = unix.Unlink(p.path); err == nil {
			// Only empty ones go, and who makes a file in one makes it again when it is gone.
			for dir := filepath.Dir(p.path); len(dir) >= len(p.root); dir = filepath.Dir(dir) {
				if unix.Rmdir(dir) != nil {
					break
				}
			}
		} else {
			err = fmt.Errorf("remove lock %s: %w", p.path, err)
		}
	}
	return errors.Join(err, p.release())
}

// KeepOnExec lets the lock outlive this program: the one that replaces it holds it to
// its end.
func (h *held) KeepOnExec() error {
	return h.parts(func(p part) error {
		if _, err := unix.FcntlInt(uintptr(p.fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("hand on lock %s: %w", p.path, err)
		}
		return nil
	})
}
