// SPDX-License-Identifier: Apache-2.0

package datastore_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/runlock"
)

// A snapshot appears whole at Commit, and cannot be removed while a Reader is open.
func Example() {
	if err := keepOne(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// kernel/ovzkernel.x86_64/2026-11-27T08:00:00Z
	// build.log: done
}

func keepOne(ctx context.Context) error {
	// Locks must be on a tmpfs; ovzpatch itself uses /run, by runlock.DefaultPlace.
	dir, err := os.MkdirTemp("/dev/shm", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	place := runlock.Place{Root: filepath.Join(dir, "run/locks"), OldMarker: filepath.Join(dir, "run/old-locking")}
	store, err := datastore.Init(filepath.Join(dir, "store"), "builds", place)
	if err != nil {
		return err
	}
	group := datastore.Group{Type: "kernel", ID: "ovzkernel.x86_64"}
	w, err := store.Create(ctx, group, time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC))
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.AddFile(ctx, "build.log", strings.NewReader("done\n")); err != nil {
		return err
	}
	if err := w.Commit(ctx); err != nil {
		return err
	}
	r, err := store.OpenSnapshot(ctx, w.Ref())
	if err != nil {
		return err
	}
	defer r.Close()
	fmt.Println(r.Ref)
	f, err := r.Open("build.log")
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	fmt.Printf("build.log: %s", text)
	return err
}
