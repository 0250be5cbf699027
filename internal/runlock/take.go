// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Everybody may learn who holds a lock; nobody else may take one.
	dirMode  = 0o755
	fileMode = 0o640
	// The shortest and the longest sleep between two tries of a lock that is waited for.
	pauseMin, pauseMax = time.Millisecond, 50 * time.Millisecond
	// How often a lock is tried that is held, but by nobody who can be found: mostly by
	// one who gave it back a moment ago.
	unseenTries = 3
)

// take makes h the lock of what the namespace has at the relative path, and of dir where
// the old way is in force and a dir is given. Whoever locks has all of the files, so two
// programs meet as long as they have one in common.
func (l *Locks) take(ctx context.Context, h *held, namespace []string, relative, dir string, how int, wait time.Duration) error {
	op := "lock exclusive"
	if how == unix.LOCK_SH {
		op = "lock shared"
	}
	if err := l.prepare(); err != nil {
		return fmt.Errorf("%s %s: %w", op, relative, err)
	}
	if len(l.roots) == 1 && (!l.old || dir == "") {
		path := path(l.roots[0], namespace, relative)
		fd, err := l.locked(ctx, path, l.roots[0], how, wait)
		if err != nil {
			return fmt.Errorf("%s %s: %w", op, path, err)
		}
		h.first = part{fd, path, l.roots[0]}
		return nil
	}
	return l.takeAll(ctx, h, namespace, relative, dir, how, wait, op)
}

// takeAll is take where a lock has several parts.
func (l *Locks) takeAll(ctx context.Context, h *held, namespace []string, relative, dir string, how int, wait time.Duration, op string) error {
	taken := 0
	add := func(path, root string, wait time.Duration) error {
		fd, err := l.locked(ctx, path, root, how, wait)
		if err != nil {
			return fmt.Errorf("%s %s: %w", op, path, err)
		}
		p := part{fd, path, root}
		if taken == 0 {
			h.first = p
		} else {
			h.more = append(h.more, p)
		}
		taken++
		return nil
	}
	var err error
	for _, root := range l.roots {
		if err = add(path(root, namespace, relative), root, wait); err != nil {
			break
		}
	}
	if err == nil && l.old && dir != "" {
		err = add(dir, "", wait)
	}
	if err == nil || taken == 0 {
		return err
	}
	// Nobody else is in the way of an exclusive holder, who may thus take away the file
	// that was made for a directory that is not there.
	giveBack := part.release
	if how == unix.LOCK_EX && errors.Is(err, os.ErrNotExist) {
		giveBack = part.remove
	}
	return errors.Join(err, h.parts(giveBack))
}

// locked opens and locks, and makes sure that what it locked is still what others find.
// root is "" for a directory of the datastore.
func (l *Locks) locked(ctx context.Context, path, root string, how int, wait time.Duration) (int, error) {
	var deadline, lost time.Time
	if wait > 0 {
		deadline = time.Now().Add(wait)
	}
	for unseen := 0; ; {
		fd, err := l.open(path, root)
		if err != nil {
			return -1, err
		}
		err = flockUntil(ctx, fd, how, deadline)
		if errors.Is(err, unix.EWOULDBLOCK) {
			holders := HoldersOf(fd)
			if unseen++; len(holders) == 0 && unseen < unseenTries {
				unix.Close(fd)
				time.Sleep(pauseMin)
				continue
			}
			err = &HeldError{Waited: wait, Holders: holders}
		}
		valid := false
		if err == nil {
			// Between open and flock a Remove may have taken the name away, and somebody
			// else may have made and locked a new file of that name: then this lock, on a
			// file nobody can find any more, is worth nothing.
			valid, err = l.valid(fd, path)
		}
		if err == nil && valid {
			return fd, nil
		}
		unix.Close(fd)
		if err != nil {
			return -1, err
		}
		if lost.IsZero() {
			lost = time.Now()
		}
		if time.Since(lost) > raceWait && time.Now().After(deadline) {
			return -1, fmt.Errorf("its file was removed again and again for %v; try again", raceWait)
		}
		if ctx.Err() != nil {
			return -1, context.Cause(ctx)
		}
	}
}

func (l *Locks) open(path, root string) (int, error) {
	if root == "" {
		return openRetry(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	return openFile(path, root)
}

// flockUntil tries without blocking, so that ctx can end it, until the deadline.
func flockUntil(ctx context.Context, fd, how int, deadline time.Time) error {
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := flock(fd, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(pause, left)):
		}
	}
}

func flock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); err != unix.EINTR {
			return err
		}
	}
}

// sameFile tells whether path is the file that fd is. An inode number says nothing
// without its device.
func sameFile(fd int, path string) (bool, error) {
	var have, found unix.Stat_t
	if err := unix.Fstat(fd, &have); err != nil {
		return false, err
	}
	err := unix.Stat(path, &found)
	if err == unix.ENOENT {
		return false, nil
	}
	return err == nil && have.Ino == found.Ino && have.Dev == found.Dev, err
}

// openFile opens a lock file below root, and makes it and its directories where they are
// missing. The file is opened first without O_CREAT: that is the usual case, and only who
// makes a file may set its mode, past any umask.
func openFile(path, root string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	var start time.Time
	for {
		fd, err := openRetry(path, flags, 0)
		if err == unix.ELOOP {
			return fd, fmt.Errorf("it is a symbolic link, which ovzpatch does not follow; remove it")
		}
		if err != unix.ENOENT {
			return fd, err
		}
		fd, err = openRetry(path, flags|unix.O_CREAT|unix.O_EXCL, fileMode)
		if err == nil {
			if err := unix.Fchmod(fd, fileMode); err != nil {
				unix.Close(fd)
				return -1, err
			}
			return fd, nil
		}
		if err == unix.ENOENT {
			if err := makeDirs(root, filepath.Dir(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return -1, err
			}
		} else if err != unix.EEXIST {
			return -1, err
		}
		// Others may take away what we make, but not for ever: a directory that cannot be
		// made is another thing, such as a link to nowhere.
		if start.IsZero() {
			start = time.Now()
		} else if time.Since(start) > raceWait {
			return -1, fmt.Errorf("it cannot be made, or was removed again and again for %v: %w", raceWait, err)
		}
	}
}

func openRetry(path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Open(path, flags, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
