// SPDX-License-Identifier: Apache-2.0

// Package scratch makes the directories for what lives only as long as a command. Those of
// a process that was killed go when the next one makes its first.
package scratch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// prefix begins the names of all such directories.
const prefix = "ovzpatch-run-"

// young is how long a directory may be there before it is locked by who made it.
const young = time.Minute

// New makes a private directory for a purpose, one word, below parent; "" is where the
// system has such. remove takes it away with all that is in it.
func New(parent, purpose string) (dir string, remove func(), err error) {
	if parent == "" {
		parent = os.TempDir()
	}
	sweep(parent)
	outer, err := os.MkdirTemp(parent, prefix+purpose+"-")
	if err != nil {
		return "", nil, fmt.Errorf("make temporary directory: %w", err)
	}
	// The lock ends with the process, however that ends. No program inherits it. What is
	// handed out lies below: somebody may want to lock that for himself.
	held, err := lock(outer)
	dir = filepath.Join(outer, purpose)
	if err == nil {
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		os.RemoveAll(outer)
		return "", nil, fmt.Errorf("make temporary directory: %w", err)
	}
	return dir, func() {
		os.RemoveAll(outer)
		held.Close()
	}, nil
}

// lock takes a directory, and no link to one, which nobody has.
func lock(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes the directories of this user that nobody holds any more. What cannot be
// removed stays: it is in nobody's way.
func sweep(parent string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !e.IsDir() {
			continue
		}
		path := filepath.Join(parent, e.Name())
		info, err := os.Lstat(path)
		if err != nil || time.Since(info.ModTime()) < young || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			continue
		}
		if f, err := lock(path); err == nil {
			os.RemoveAll(path)
			f.Close()
		}
	}
}
