// SPDX-License-Identifier: Apache-2.0

// Package scratch makes temporary directories for one command. A killed process leaves its own
// behind; the next process that makes one removes them.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Hint is what to do where there is no room for temporary files.
const Hint = "$TMPDIR can name another place"

// prefix starts the name of every such directory.
const prefix = "ovzpatch-run-"

// New makes a private directory below parent; "" means the system's temporary directory. The
// purpose, one word, becomes part of its name. remove removes it with its content.
func New(parent, purpose string) (dir string, remove func(), err error) {
	if parent == "" {
		parent = os.TempDir()
	}
	Sweep(parent)
	// Another process may take a new directory for one of the killed, before it is locked.
	for range 10 {
		if dir, remove, err = makeLocked(parent, purpose); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("make temporary directory: %w; %s", err, Hint)
	}
	return dir, remove, nil
}

func makeLocked(parent, purpose string) (dir string, remove func(), err error) {
	outer, err := os.MkdirTemp(parent, prefix+purpose+"-")
	if err != nil {
		return "", nil, err
	}
	// The lock ends with the process, however that ends, and no program inherits it. The caller
	// gets a directory below this one, which it may lock itself.
	held, err := lock(outer)
	if err != nil {
		os.Remove(outer) // empty, or another one's
		return "", nil, err
	}
	dir = filepath.Join(outer, purpose)
	if err := os.Mkdir(dir, 0o755); err != nil {
		os.RemoveAll(outer)
		held.Close()
		return "", nil, err
	}
	return dir, func() {
		os.RemoveAll(outer)
		held.Close()
	}, nil
}

// lock locks a directory that nobody holds. It does not follow links.
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

// Explain has an error of a full disk say what to do where the file is in such a
// directory: who asked for the work named no file there.
func Explain(err error) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) || !strings.Contains(err.Error(), "/"+prefix) || strings.Contains(err.Error(), Hint) {
		return err
	}
	return fmt.Errorf("%w; %s", err, Hint)
}

// Sweep removes this user's directories that nobody holds any more, and says how many; parent is as for New. What
// cannot be removed stays: it harms nobody.
func Sweep(parent string) (removed int) {
	if parent == "" {
		parent = os.TempDir()
	}
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !e.IsDir() {
			continue
		}
		path := filepath.Join(parent, e.Name())
		info, err := os.Lstat(path)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			continue
		}
		if f, err := lock(path); err == nil {
			if os.RemoveAll(path) == nil {
				removed++
			}
			f.Close()
		}
	}
	return removed
}
