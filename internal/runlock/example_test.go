// SPDX-License-Identifier: Apache-2.0

package runlock_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ovzpatch/internal/runlock"
)

// Any number may read a snapshot; nobody may remove it meanwhile.
func Example() {
	if err := readWhileOthersRemove(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// a second reader: <nil>
	// remove: locked true
	// remove after both ended: <nil>
}

func readWhileOthersRemove(ctx context.Context) error {
	// Locks must be on a tmpfs; DefaultPlace is below /run.
	dir, err := os.MkdirTemp("/dev/shm", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	place := runlock.Place{Root: filepath.Join(dir, "run/locks"), OldMarker: filepath.Join(dir, "run/old-locking")}
	open := func() (*runlock.Locks, error) {
		return runlock.New(place, func() ([]string, error) { return []string{"my-store"}, nil })
	}
	reader, err := open()
	if err != nil {
		return err
	}
	remover, err := open()
	if err != nil {
		return err
	}
	snapshot := runlock.Snapshot{Group: runlock.Group{Type: "kernel", ID: "ovzkernel.x86_64"}, Time: "2026-11-27T08:00:00Z"}
	one, err := reader.SnapshotShared(ctx, snapshot)
	if err != nil {
		return err
	}
	two, err := reader.SnapshotShared(ctx, snapshot)
	fmt.Println("a second reader:", err)
	_, err = remover.Snapshot(ctx, snapshot)
	fmt.Println("remove: locked", errors.Is(err, runlock.ErrLocked))
	if err := errors.Join(one.Unlock(), two.Unlock()); err != nil {
		return err
	}
	lock, err := remover.Snapshot(ctx, snapshot)
	fmt.Println("remove after both ended:", err)
	if err != nil {
		return err
	}
	return lock.Remove()
}
