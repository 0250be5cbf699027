// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
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

// remove removes a result that no process has got.
func remove(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if free, err := tryLock(f); err == nil && !free {
		return errInUse
	}
	return discard(path)
}

// discard removes a result: who looks for it from now on does not find half of it.
func discard(path string) error {
	gone, err := os.MkdirTemp(filepath.Dir(path), unfinished)
	if err != nil {
		return err
	}
	err = os.Rename(path, filepath.Join(gone, "gone"))
	return errors.Join(err, os.RemoveAll(gone))
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
