// SPDX-License-Identifier: GPL-2.0-only

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

// Place says where the lock files of all datastores of one user are.
type Place struct {
	// Root is the directory that holds one directory for each datastore.
	Root string
	// OldMarker is the file whose existence means that the datastore's directories
	// themselves are locked, as programs did that may still run.
	OldMarker string
}

// DefaultPlace is /run/ovzpatch for uid 0 and runtimeDir/ovzpatch for everybody else.
// The marker of the old locking is the machine's in both cases: packages make it.
func DefaultPlace(uid int, runtimeDir string) (Place, error) {
	p := Place{Root: "/run/ovzpatch/locks", OldMarker: "/run/ovzpatch/old-locking"}
	if uid == 0 {
		return p, nil
	}
	if !filepath.IsAbs(runtimeDir) {
		return Place{}, fmt.Errorf("find the lock directory of uid %d: no absolute XDG_RUNTIME_DIR; log in with a session or set it to a tmpfs directory of your own", uid)
	}
	p.Root = filepath.Join(runtimeDir, "ovzpatch/locks")
	return p, nil
}

// Locks takes the locks of one datastore.
type Locks struct {
	root  string
	old   bool
	valid func(fd int, path string) (bool, error)
}

// oldLocking remembers per marker whether it was there when this process first looked:
// a marker that comes or goes later must not make one process lock in two ways.
var oldLocking sync.Map

// New gives the locks of the datastore of that name. It touches no file but the marker.
func New(p Place, datastore string) (*Locks, error) {
	once, _ := oldLocking.LoadOrStore(p.OldMarker, sync.OnceValues(func() (bool, error) {
		_, err := os.Lstat(p.OldMarker)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}))
	old, err := once.(func() (bool, error))()
	if err != nil {
		return nil, fmt.Errorf("find out how datastores are locked: %w", err)
	}
	return &Locks{root: filepath.Join(p.Root, datastore), old: old, valid: sameFile}, nil
}

// Old tells whether directories are locked instead of lock files.
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
	return l.exclusive(ctx, l.path(g.Namespace, g.Type+"/"+g.ID), g.Dir, 0)
}

// Snapshot locks a snapshot exclusively, or fails at once with a *HeldError.
func (l *Locks) Snapshot(ctx context.Context, s Snapshot) (*Exclusive, error) {
	return l.exclusive(ctx, l.path(s.Namespace, s.relative()), s.Dir, 0)
}

// SnapshotShared locks a snapshot for reading, or fails at once with a *HeldError.
func (l *Locks) SnapshotShared(ctx context.Context, s Snapshot) (*Shared, error) {
	lock := new(Shared)
	err := l.take(ctx, &lock.held, l.path(s.Namespace, s.relative()), s.Dir, unix.LOCK_SH, 0)
	if err != nil {
		return nil, err
	}
	return lock, nil
}

// Manifest locks a snapshot's manifest exclusively, waiting up to ManifestWait. It is a
// file under Root in the old way too, as it always was.
func (l *Locks) Manifest(ctx context.Context, s Snapshot) (*Exclusive, error) {
	return l.exclusive(ctx, l.path(s.Namespace, s.relative()+manifestSuffix), "", ManifestWait)
}

func (l *Locks) exclusive(ctx context.Context, path, dir string, wait time.Duration) (*Exclusive, error) {
	lock := new(Exclusive)
	err := l.take(ctx, &lock.held, path, dir, unix.LOCK_EX, wait)
	if err != nil {
		return nil, err
	}
	return lock, nil
}

// held is a descriptor with a lock on it.
type held struct {
	fd   atomic.Int64 // -1 once released
	path string
	root string // "" when path is a directory of the datastore
}

// Unlock gives the lock back. Calling it again does nothing, so that it can be deferred
// beside a Remove.
func (h *held) Unlock() error {
	fd := int(h.fd.Swap(-1))
	if fd < 0 {
		return nil
	}
	return h.release(fd)
}

// release unlocks before it closes: a child of ours between fork and exec still has the
// descriptor and would hold the lock a moment longer.
func (h *held) release(fd int) error {
	err := flock(fd, unix.LOCK_UN)
	if e := unix.Close(fd); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("unlock %s: %w", h.path, err)
	}
	return nil
}

// Remove removes the lock's file, and the directories that it leaves empty, and gives
// the lock back. To be called when what it locked is gone. The directory that the old way
// locks is the caller's to remove.
func (e *Exclusive) Remove() error {
	fd := int(e.fd.Swap(-1))
	if fd < 0 {
		return fmt.Errorf("remove lock %s: it was released before", e.path)
	}
	var err error
	if e.root != "" {
		if err = unix.Unlink(e.path); err == nil {
			// Only empty ones go, and who makes a file in one makes it again when it is gone.
			for dir := filepath.Dir(e.path); len(dir) >= len(e.root); dir = filepath.Dir(dir) {
				if unix.Rmdir(dir) != nil {
					break
				}
			}
		} else {
			err = fmt.Errorf("remove lock %s: %w", e.path, err)
		}
	}
	return errors.Join(err, e.release(fd))
}

// KeepOnExec lets the lock outlive this program: the one that replaces it holds it to
// its end.
func (h *held) KeepOnExec() error {
	if _, err := unix.FcntlInt(uintptr(h.fd.Load()), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("hand on lock %s: %w", h.path, err)
	}
	return nil
}
