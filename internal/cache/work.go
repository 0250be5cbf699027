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

// Work is a directory that stays from run to run, and that belongs to this process until Release.
type Work struct {
	Dir string
	// Every program that writes into Dir must inherit Hold. If this process is killed, the lock
	// on Hold tells the next one that those programs still work.
	Hold *os.File
	// Ended are the process ids of programs that a killed process left behind. Work ended them
	// before it returned Dir.
	Ended []int

	lock *os.File // held by this process alone
}

// pause is the time between two attempts to take a lock.
const pause = 200 * time.Millisecond

// Work returns the work directory of that name. If another process has it, Work calls waiting
// once and waits until that process releases it.
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
	// The lock files stay: if one was removed, two processes could lock two different files of
	// the same name.
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
	// Prune may have removed the directory before the lock was ours. The lock's time says when it was
	// last used.
	if err := os.MkdirAll(w.Dir, 0o755); err != nil {
		return err
	}
	now := time.Now()
	os.Chtimes(w.lock.Name(), now, now)
	if w.Hold, err = os.OpenFile(w.Dir+".running", os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	w.Ended, err = endHolders(ctx, w.Hold)
	return err
}

// Release lets others have the directory.
func (w *Work) Release() {
	if w.Hold != nil {
		// Closing is not enough: a daemon that a makefile left behind has a copy open, and must
		// not keep the lock.
		unix.Flock(int(w.Hold.Fd()), unix.LOCK_UN)
		w.Hold.Close()
	}
	if w.lock != nil {
		w.lock.Close()
	}
}

// tryLock takes the lock of f if nobody holds it.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
