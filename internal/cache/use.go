// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/atomicfile"
)

// held are the results that this process got. Each has a shared lock until the process ends, so
// that nobody removes it meanwhile.
var held struct {
	sync.Mutex
	dirs map[string]*os.File
}

// hold locks a result. It is false where the result is being removed.
func hold(dir string) bool {
	held.Lock()
	defer held.Unlock()
	if f := held.dirs[dir]; f != nil && same(f, dir) {
		return true
	}
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	// A filesystem may have no locks on directories: then only its age guards a result.
	if errors.Is(err, unix.EWOULDBLOCK) || !same(f, dir) {
		f.Close()
		return false
	}
	if held.dirs == nil {
		held.dirs = map[string]*os.File{}
	}
	held.dirs[dir] = f
	return true
}

// same tells whether f is what the path leads to now.
func same(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// errInUse is for what some process uses.
var errInUse = errors.New("it is in use")

// heldAt is what this process got at that path; nil for nothing.
func heldAt(path string) fs.FileInfo {
	held.Lock()
	defer held.Unlock()
	f := held.dirs[path]
	if f == nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	return info
}

// remove removes a result that no process has got.
func remove(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	seen, err := f.Stat()
	if err != nil {
		return err
	}
	if free, err := tryLock(f); err == nil && !free {
		return errInUse
	}
	_, err = discard(path, seen)
	return err
}

// discard removes what was seen at a path: who looks for it from now on does not find half of it. It is
// false where something else is there by now, which stays.
func discard(path string, seen fs.FileInfo) (bool, error) {
	parent, err := os.Open(filepath.Dir(path))
	if err != nil {
		return false, err
	}
	defer parent.Close()
	// Of all that remove one at a time does, so that none takes away what was put there behind its look. A
	// filesystem may have no such locks; it does without.
	_ = unix.Flock(int(parent.Fd()), unix.LOCK_EX)
	now, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, seen) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	gone, err := os.MkdirTemp(filepath.Dir(path), unfinished)
	if err != nil {
		return false, atomicfile.Of(err, "remove", path)
	}
	err = os.Rename(path, filepath.Join(gone, "gone"))
	parent.Close()
	return err == nil, atomicfile.Of(errors.Join(err, os.RemoveAll(gone)), "remove", path)
}

// removeWork empties a work directory that no process works in. Its lock files stay.
func removeWork(dir string) error {
	for _, name := range []string{dir + ".lock", dir + ".running"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer f.Close()
		if free, err := tryLock(f); err != nil || !free {
			return errors.Join(err, errInUse)
		}
	}
	return os.RemoveAll(dir)
}
