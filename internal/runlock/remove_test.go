// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The file of a lock is removed and made again while somebody waits for it. Without the
// second stat two end up with the same lock: the test first shows that.
func TestDoubleStat(t *testing.T) {
	race := func(valid func(int, string) (bool, error)) (waiter, newcomer error) {
		l := testLocks(t)
		if valid != nil {
			l.valid = valid
		}
		first, err := l.Manifest(t.Context(), snapshot)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			lock, err := l.Manifest(ctx, snapshot)
			if err == nil {
				time.Sleep(time.Second)
				lock.Unlock()
			}
			got <- err
		}()
		time.Sleep(50 * time.Millisecond) // the waiter has the old file open by now
		// Remove, with a newcomer that makes the file again before the lock is given back.
		if err := unix.Unlink(first.first.path); err != nil {
			t.Fatal(err)
		}
		second, err := l.Manifest(t.Context(), snapshot)
		if err != nil {
			t.Fatal(err)
		}
		first.Unlock()
		waiter = <-got
		second.Unlock()
		return waiter, err
	}
	blind := func(int, string) (bool, error) { return true, nil }
	if waiter, newcomer := race(blind); waiter != nil || newcomer != nil {
		t.Errorf("without the second stat both should hold the lock: %v, %v", waiter, newcomer)
	}
	if waiter, _ := race(nil); !errors.Is(waiter, context.DeadlineExceeded) {
		t.Errorf("two hold one lock: %v", waiter)
	}
}

// Lock and remove from many threads at once: never two at a time, never an
// error but ErrLocked, and in the end nothing is left.
func TestRemoveRace(t *testing.T) {
	l := testLocks(t)
	var inside, taken atomic.Int32
	var wg sync.WaitGroup
	stop := time.Now().Add(time.Second)
	for range 8 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				lock, err := l.Snapshot(t.Context(), snapshot)
				if errors.Is(err, ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two hold one lock")
				}
				taken.Add(1)
				inside.Add(-1)
				if err := lock.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() < 100 {
		t.Errorf("only %d locks were taken", taken.Load())
	}
	if _, err := os.Lstat(l.roots[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s was not tidied away: %v", l.roots[0], err)
	}
}

func TestRemoveConsumesTheLock(t *testing.T) {
	l := testLocks(t)
	lock, err := l.Snapshot(t.Context(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Remove(); err != nil {
		t.Fatal(err)
	}
	next, err := l.Snapshot(t.Context(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Unlock()
	if err := lock.Remove(); err == nil {
		t.Error("a lock was removed twice")
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
	if _, err := l.Snapshot(t.Context(), snapshot); !errors.Is(err, ErrLocked) {
		t.Errorf("the second Remove took somebody else's lock away: %v", err)
	}
}

func TestSweepRemovesOnlyStaleFiles(t *testing.T) {
	l := testLocks(t)
	stale, kept, busy := snapshot, snapshot, snapshot
	stale.ID, kept.ID, busy.ID = strings.Repeat("-", 200), "kept", "busy"
	for _, s := range []Snapshot{stale, kept} {
		for _, f := range []func() (*Exclusive, error){
			func() (*Exclusive, error) { return l.Group(t.Context(), s.Group) },
			func() (*Exclusive, error) { return l.Snapshot(t.Context(), s) },
			func() (*Exclusive, error) { return l.Manifest(t.Context(), s) },
		} {
			lock, err := f()
			if err != nil {
				t.Fatal(err)
			}
			lock.Unlock()
		}
	}
	lock, err := l.Snapshot(t.Context(), busy)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	err = l.Sweep(t.Context(), func() ([]Snapshot, error) {
		return []Snapshot{{Group: kept.Group}, kept}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	walk(l.roots[0], func(f string) { left = append(left, f) })
	if len(left) != 4 || strings.Contains(strings.Join(left, " "), hashedDir) {
		t.Errorf("left: %q", left)
	}
	if _, err := os.Lstat(filepath.Join(l.roots[0], "ns", hashedDir)); err == nil {
		t.Error("an empty directory was left")
	}
}
