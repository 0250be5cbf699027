// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Nothing is written into lock files to tell who holds them: the kernel knows, also of
// programs that are not ours, and never remembers a dead one. It says so in two places.
// /proc/locks has every lock with the process that took it, in our pid namespace only; that
// process may have ended and left the lock to a child. /proc/PID/fdinfo has what a process
// holds by now, but reading all of them takes long. So the first is asked, and the second
// where the first is not borne out.

// inode is a file as the kernel's lock table names it.
type inode struct {
	major, minor uint32
	ino          uint64
}

func inodeOf(st *unix.Stat_t) inode {
	return inode{unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino}
}

// HoldersOf tells who has locked the file that fd is: nobody when it is free, or held by
// processes only that are not visible from here.
func HoldersOf(fd int) []Holder {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return nil
	}
	table, err := lockTable()
	if err != nil {
		table = map[inode][]Holder{}
	}
	f := finder{table: table}
	return f.holders(inodeOf(&st))
}

// finder finds out who holds locks at one moment.
type finder struct {
	table map[inode][]Holder // of /proc/locks
	seen  map[inode][]Holder // of /proc/*/fdinfo, read when it is needed
}

func (f *finder) holders(id inode) []Holder {
	listed := slices.DeleteFunc(slices.Clone(f.table[id]), func(h Holder) bool { return !mayHold(h.PID, id) })
	if len(listed) == 0 || len(listed) < len(f.table[id]) {
		if f.seen == nil {
			f.seen = seenLocks()
		}
		// What is listed and cannot be looked into is right, too.
		for _, h := range f.seen[id] {
			if !slices.ContainsFunc(listed, func(l Holder) bool { return l.PID == h.PID }) {
				listed = append(listed, h)
			}
		}
	}
	for i := range listed {
		listed[i].Command = commandOf(listed[i].PID)
	}
	return listed
}

// mayHold tells whether a process holds a lock on the file, or is there and will not be
// looked into.
func mayHold(pid int, id inode) bool {
	if pid <= 0 {
		return false
	}
	locks, err := locksOf(pid)
	if err != nil && !errors.Is(err, os.ErrPermission) {
		// Of others' processes /proc may say nothing at all.
		return unix.Kill(pid, 0) == unix.EPERM
	}
	return err != nil || len(locks[id]) > 0
}

// seenLocks reads who holds what from all processes that we may look into.
func seenLocks() map[inode][]Holder {
	seen := map[inode][]Holder{}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return seen
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		locks, err := locksOf(pid)
		if err != nil {
			continue
		}
		for id, held := range locks {
			seen[id] = append(seen[id], held...)
		}
	}
	return seen
}

// locksOf reads which flocks a process holds, also those that it inherited.
func locksOf(pid int) (map[inode][]Holder, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fdinfo")
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	locks := map[inode][]Holder{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		for line := range bytes.Lines(b) {
			text, ok := strings.CutPrefix(string(line), "lock:")
			if !ok {
				continue
			}
			if id, h, ok := parseLock(text); ok {
				h.PID = pid
				locks[id] = append(locks[id], h)
			}
		}
	}
	return locks, nil
}

// lockTable reads the flock entries of /proc/locks.
func lockTable() (map[inode][]Holder, error) {
	f, err := os.Open("/proc/locks")
	if err != nil {
		return nil, fmt.Errorf("read lock holders: %w", err)
	}
	defer f.Close()
	table := map[inode][]Holder{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if id, h, ok := parseLock(lines.Text()); ok {
			table[id] = append(table[id], h)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read lock holders: %w", err)
	}
	return table, nil
}

// initPIDNamespace is the inode of the one that sees every process, the same on every kernel.
const initPIDNamespace = "pid:[4026531836]"

// heldUnseen tells whether somebody holds a lock file whose holders could not be found,
// and how. It has to try the lock, for a moment, so it does not where all are visible.
func heldUnseen(path string) (h Holder, held bool) {
	if ns, err := os.Readlink("/proc/self/ns/pid"); err == nil && ns == initPIDNamespace {
		return h, false
	}
	fd, err := openRetry(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return h, false
	}
	defer unix.Close(fd)
	if flock(fd, unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK {
		return h, false
	}
	h.Shared = flock(fd, unix.LOCK_SH|unix.LOCK_NB) == nil
	return h, true
}
