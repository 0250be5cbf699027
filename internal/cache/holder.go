// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// How long programs may take to end. After SIGTERM make removes half-written files; then comes
// SIGKILL.
const (
	askLimit = 5 * time.Second
	endLimit = 30 * time.Second
)

// endHolders ends the programs that hold the lock of f, and takes it. The caller has made sure
// that they are leftovers: nobody waits for them, and what they write is in the way.
func endHolders(ctx context.Context, f *os.File) ([]int, error) {
	var ended []int
	for start := time.Now(); ; {
		free, err := tryLock(f)
		if err != nil || free {
			return ended, err
		}
		pids, passed := holders(f), time.Since(start)
		if passed > endLimit {
			return ended, fmt.Errorf("programs that a killed run left behind still work in it (process ids %v): end them", pids)
		}
		for _, pid := range pids {
			switch asked := slices.Contains(ended, pid); {
			case !asked && end(pid, f, unix.SIGTERM):
				ended = append(ended, pid)
			case asked && passed > askLimit:
				end(pid, f, unix.SIGKILL)
			}
		}
		select {
		case <-ctx.Done():
			return ended, context.Cause(ctx)
		case <-time.After(pause / 10):
		}
	}
}

// holders returns the processes that hold the lock of f through an inherited descriptor. Those of
// other users are not visible.
func holders(f *os.File) []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && pid != os.Getpid() && holds(pid, f) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func holds(pid int, f *os.File) bool {
	want, err := f.Stat()
	if err != nil {
		return false
	}
	dir := fmt.Sprintf("/proc/%d/", pid)
	fds, _ := os.ReadDir(dir + "fd")
	for _, fd := range fds {
		if st, err := os.Stat(dir + "fd/" + fd.Name()); err != nil || !os.SameFile(st, want) {
			continue
		}
		// A program may have the file open without holding the lock: it comes from an earlier
		// run, which ended well.
		if info, _ := os.ReadFile(dir + "fdinfo/" + fd.Name()); bytes.Contains(info, []byte("FLOCK")) {
			return true
		}
	}
	return false
}

// end sends a signal to a holder. Its process id may belong to another process by now: so take
// the process's descriptor first, then look again.
func end(pid int, f *os.File, signal unix.Signal) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.3
		return holds(pid, f) && unix.Kill(pid, signal) == nil
	}
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return holds(pid, f) && unix.PidfdSendSignal(fd, signal, nil, 0) == nil
}
