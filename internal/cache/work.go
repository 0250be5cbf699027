// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Work is a directory that is kept from run to run, and that this process has for itself
// until Release.
type Work struct {
	Dir string
	// Hold is to be inherited by every program that writes into Dir. Should this process
	// be killed, the lock on it tells the next one that they are still at work.
	Hold *os.File
	// Ended are the process ids of programs that a killed process had left at work, and
	// that were ended before Dir was handed out.
	Ended []int

	lock *os.File // held by this process alone
}

// pause is the time between two tries of a lock.
const pause = 200 * time.Millisecond

// Work gives the work directory of that name. Where another process has it, waiting is
// called once and the end of that waited for.
func (c Cache) Work(ctx context.Context, kind, key string, waiting func()) (*Work, error) {
	w := &Work{Dir: filepath.Join(c.Dir, kind, key)}
	if err := c.open(w.Dir); err != nil {
		return nil, fmt.Errorf("open work directory: %w", err)
	}
	if err := w.open(ctx, waiting); err != nil {
		w.Release()
		return nil, fmt.Errorf("open work directory %s: %w", w.Dir, err)
	}
	return w, nil
}

func (w *Work) open(ctx context.Context, waiting func()) (err error) {
	// The lock files outlive the work: removing one would let two processes lock two
	// different files of one name.
	if w.lock, err = os.OpenFile(w.Dir+".lock", os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	for said := false; ; said = true {
		if free, err := tryLock(w.lock); err != nil {
			return err
		} else if free {
			break
		}
		if !said {
			waiting()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
	if w.Hold, err = os.OpenFile(w.Dir+".running", os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	w.Ended, err = endHolders(ctx, w.Hold)
	return err
}

// Release lets others have the directory.
func (w *Work) Release() {
	if w.Hold != nil {
		// Not only closed: a daemon that some makefile has left behind, its copy open,
		// must not keep the lock.
		unix.Flock(int(w.Hold.Fd()), unix.LOCK_UN)
		w.Hold.Close()
	}
	if w.lock != nil {
		w.lock.Close()
	}
}

// tryLock takes the lock of f if nobody has it.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
