// SPDX-License-Identifier: GPL-2.0-only

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
	dirMode  = 0o750
	fileMode = 0o640
	// The shortest and the longest sleep between two tries of a lock that is waited for.
	pauseMin, pauseMax = time.Millisecond, 50 * time.Millisecond
)

// take makes h the lock of path, or of dir where the old way is in force and a dir is given.
func (l *Locks) take(ctx context.Context, h *held, path, dir string, how int, wait time.Duration) error {
	h.path, h.root = path, l.root
	open := openFile
	if l.old && dir != "" {
		h.path, h.root, open = dir, "", openDir
	}
	fd, err := l.locked(ctx, h.path, open, how, wait)
	if err != nil {
		op := "lock exclusive"
		if how == unix.LOCK_SH {
			op = "lock shared"
		}
		return fmt.Errorf("%s %s: %w", op, h.path, err)
	}
	h.fd.Store(int64(fd))
	return nil
}

// locked gives a locked descriptor of the file that has that path.
func (l *Locks) locked(ctx context.Context, path string, open func(string) (int, error), how int, wait time.Duration) (int, error) {
	var deadline, lost time.Time
	if wait > 0 {
		deadline = time.Now().Add(wait)
	}
	for {
		fd, err := open(path)
		if err != nil {
			return -1, err
		}
		err = flockUntil(ctx, fd, how, deadline)
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = &HeldError{Waited: wait, Holders: HoldersOf(fd)}
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

// openFile opens a lock file, and makes it and its directories where they are missing.
// The file is opened first without O_CREAT: that is the usual case, and only who makes
// a file may set its mode, past any umask.
func openFile(path string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	for {
		fd, err := openRetry(path, flags, 0)
		if err != unix.ENOENT {
			return fd, err
		}
		fd, err = openRetry(path, flags|unix.O_CREAT|unix.O_EXCL, fileMode)
		switch err {
		case nil:
			if err := unix.Fchmod(fd, fileMode); err != nil {
				unix.Close(fd)
				return -1, err
			}
			return fd, nil
		case unix.EEXIST:
		case unix.ENOENT:
			if err := makeDirs(filepath.Dir(path)); err != nil {
				return -1, err
			}
		default:
			return -1, err
		}
	}
}

func openDir(path string) (int, error) {
	return openRetry(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

func openRetry(path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Open(path, flags, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// makeDirs makes a directory and its parents. A parent may be tidied away in between by
// a Remove, then it is made again.
func makeDirs(dir string) error {
	for {
		err := os.Mkdir(dir, dirMode)
		if err == nil {
			// Past any umask; when it is gone by now, the caller makes it again.
			if err = os.Chmod(dir, dirMode); errors.Is(err, os.ErrNotExist) {
				err = nil
			}
			return err
		}
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := makeDirs(filepath.Dir(dir)); err != nil {
			return err
		}
	}
}
