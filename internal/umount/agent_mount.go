// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"
)

// slave makes Path receive the host's later mounts, and send none back.
func (a *agent) slave(q request) (reply, error) {
	if err := unix.Mount("", q.Path, "", unix.MS_SLAVE, ""); err != nil {
		return reply{}, fmt.Errorf("make %s a slave of the host's: %w", q.Path, err)
	}
	return reply{}, nil
}

// bind makes Path a mount of its own.
func (a *agent) bind(q request) (reply, error) { return reply{}, bind(q.Source, q.Path) }

// make makes the mount under test. With OwnMount it then detaches the mount that it came from, which a container that
// is swept must not have.
func (a *agent) make(q request) (reply, error) {
	if err := origins[q.Origin](q.Source, q.Other, q.Path); err != nil {
		return reply{}, err
	}
	if q.Flags == letGo {
		if err := unix.Unmount(q.Source, unix.MNT_DETACH); err != nil {
			return reply{}, fmt.Errorf("detach %s: %w", q.Source, err)
		}
	}
	return reply{}, nil
}

// letGo makes make detach the source.
const letGo = 1

// holding keeps a mount busy. It opens no file for writing, which would keep the superblock from becoming read-only;
// use opens one afterwards, from the directory.
type holding struct{ file, dir *os.File }

func hold(path string) (*holding, error) {
	file, err := os.Open(path + "/" + dataFile)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &holding{file, dir}, nil
}

// use reads from the file, and writes to another through the directory.
func (h *holding) use() error {
	if _, err := h.file.ReadAt(make([]byte, 1), 0); err != nil {
		return err
	}
	fd, err := unix.Openat(int(h.dir.Fd()), dataFile, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte("x"))
	return errors.Join(err, unix.Close(fd))
}

func (h *holding) close() error {
	if h == nil {
		return nil
	}
	return errors.Join(h.file.Close(), h.dir.Close())
}

func (a *agent) hold(q request) (r reply, err error) {
	a.held, err = hold(q.Path)
	return reply{}, err
}

func (a *agent) read(q request) (reply, error) { return reply{Errno: errnoName(use(q.Path))}, nil }

// look returns what the container sees after the act.
func (a *agent) look(q request) (r reply, err error) {
	if a.held != nil {
		r.Errno = errnoName(a.held.use())
	}
	if q.OwnLog {
		if r.Messages, err = a.readOwnLog(); err != nil {
			return r, err
		}
	}
	paths, err := mountPaths()
	r.Mounted = slices.Contains(paths, q.Path)
	return r, err
}

// release closes what is held, and umounts everything below Path.
func (a *agent) release(q request) (reply, error) {
	err := a.held.close()
	a.held = nil
	paths, tableErr := mountPaths()
	slices.Reverse(paths)
	for _, path := range paths {
		if strings.HasPrefix(path, q.Path+"/") {
			// A locked mount goes when the host's goes.
			unix.Unmount(path, unix.MNT_DETACH)
		}
	}
	return reply{}, errors.Join(err, tableErr)
}

func (a *agent) readOwnLog() (int, error) {
	records, err := kmsg.All()
	if err != nil {
		return 0, err
	}
	var seen guest.Seen
	evidence(records, &seen)
	messages := seen.Messages - a.ownSeen
	a.ownSeen = seen.Messages
	return messages, nil
}

func (a *agent) remount(q request) (reply, error) {
	return reply{Errno: errnoName(unix.Mount("", q.Path, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))}, nil
}
