// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// noDirs is a disk that has no room for a directory, below a store: only its calls name
// an open directory.
func noDirs(nr uint64, args [6]uint64) unix.Errno {
	if nr == unix.SYS_MKDIRAT && int32(args[0]) != unix.AT_FDCWD {
		return unix.ENOSPC
	}
	return 0
}

// noNames is a disk that has no room for a name either.
func noNames(nr uint64, args [6]uint64) unix.Errno {
	if nr == unix.SYS_RENAMEAT || nr == unix.SYS_LINKAT {
		return unix.ENOSPC
	}
	return noDirs(nr, args)
}

// removals are the operations that take a snapshot away.
func removals() map[string]operation {
	found := map[string]operation{}
	for name, o := range operations {
		if strings.Contains(name, "remove") || name == "prune" {
			found[name] = o
		}
	}
	return found
}

// Removing needs no space, and must not be in need of it when space is short.
func TestRemoveOnAFullDisk(t *testing.T) {
	for disk, fails := range map[string]func(uint64, [6]uint64) unix.Errno{
		"no directories": noDirs, "no names": noNames,
	} {
		for name, o := range removals() {
			t.Run(disk+" "+name, func(t *testing.T) {
				s := o.make(t, memoryDir(t), false)
				res := runFaulty(t, fault{n: -1, counts: everyCall, fails: fails}, "operation", filepath.Dir(s.dir), name)
				if res.ws.ExitStatus() != 0 {
					t.Fatal(res)
				}
				if found := checkWhole(t, s, "removed"); len(found) != len(o.after) {
					t.Errorf("there is %v, want %v", found, o.after)
				}
				o.check(t, s, "removed")
			})
		}
	}
}

// Where a snapshot cannot be moved away first, its manifest is: killed before each system
// call, the snapshot is whole or not there, and what is left goes with the next writer.
func TestRemoveInPlaceKilledAtEverySystemCall(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 7
	}
	marked := false
	for name, o := range removals() {
		if testing.Short() && !o.short {
			continue
		}
		t.Run(name, func(t *testing.T) {
			base := memoryDir(t)
			for n := 1; ; n += step {
				dir := filepath.Join(base, fmt.Sprint(n))
				s := o.make(t, dir, false)
				res := runFaulty(t, fault{n: n, counts: everyCall, fails: noDirs}, "operation", dir, name)
				how := fmt.Sprintf("killed at system call %d (number %d)", n, res.what)
				if !res.hit {
					if res.ws.ExitStatus() != 0 {
						t.Fatalf("undisturbed: %v", res)
					}
					how = "undisturbed"
				}
				for _, ref := range []Ref{target, pruned, elsewhere} {
					marked = marked || s.exists(filepath.Join(ref.dir(), goneMark))
				}
				o.check(t, s, how)
				os.RemoveAll(dir)
				if !res.hit {
					return
				}
			}
		})
	}
	if !marked && !testing.Short() {
		t.Error("no kill left a snapshot that was being removed in its place")
	}
}
