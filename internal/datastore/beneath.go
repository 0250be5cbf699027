// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Everything in a store is reached from the store's own directory, by the functions below
// and no others. None follows a symbolic link, and only directories and regular files are
// opened: a link could lead out of the store, to be read or removed there, a FIFO would be
// waited for, and to open a device can be an act. All paths are relative to the store.

const openFlags = unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK

// openDir opens a directory. The caller closes it.
func (s *Store) openDir(rel string) (int, error) {
	defer runtime.KeepAlive(s.root)
	root := int(s.root.Fd())
	fd, err := openBeneath(root, filepath.Clean(rel))
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: s.path(rel), Err: err}
	}
	return fd, nil
}

func openBeneath(root int, rel string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | openFlags, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := retry(func() (int, error) { return unix.Openat2(root, rel, &how) })
	if err == unix.ENOSYS || err == unix.EPERM {
		fd, err = openStepwise(root, rel) // a kernel before 5.6, or a sandbox that forbids the call
	}
	switch err {
	case unix.ELOOP:
		return -1, errLink
	case unix.ENOTDIR:
		return -1, kindError{"no directory"}
	}
	return fd, err
}

// openStepwise is openBeneath one directory at a time.
func openStepwise(root int, rel string) (int, error) {
	at := root
	for name := range strings.SplitSeq(filepath.Clean(rel), "/") {
		fd, err := retry(func() (int, error) {
			return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|openFlags, 0)
		})
		if err == unix.ENOTDIR {
			var st unix.Stat_t
			if unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
				err = unix.ELOOP
			}
		}
		if at != root {
			unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at = fd
	}
	return at, nil
}

func retry(open func() (int, error)) (int, error) {
	for {
		fd, err := open()
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// in calls f with the open directory that rel is in, and rel's last name.
func (s *Store) in(op, rel string, f func(dir int, name string) error) error {
	dir, err := s.openDir(filepath.Dir(rel))
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := f(dir, filepath.Base(rel)); err != nil {
		return &fs.PathError{Op: op, Path: s.path(rel), Err: err}
	}
	return nil
}

func (s *Store) lstat(rel string) (st unix.Stat_t, err error) {
	err = s.in("stat", rel, func(dir int, name string) error {
		return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return st, err
}

// exists tells whether there is anything at rel.
func (s *Store) exists(rel string) bool {
	_, err := s.lstat(rel)
	return err == nil
}

// dirThere tells whether a directory is at rel; something else there is an error.
func (s *Store) dirThere(rel string) (bool, error) {
	st, err := s.lstat(rel)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = kind(&st, unix.S_IFDIR)
		if err != nil {
			err = fmt.Errorf("%s: %w", s.path(rel), err)
		}
	}
	return err == nil, err
}

// openRegular opens a regular file of an open directory for reading.
func openRegular(dir int, name string) (int, unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return -1, st, err
	}
	if err := kind(&st, unix.S_IFREG); err != nil {
		return -1, st, err
	}
	fd, err := retry(func() (int, error) { return unix.Openat(dir, name, unix.O_RDONLY|openFlags, 0) })
	if err != nil {
		return -1, st, err
	}
	// It may be another one by now.
	if err = unix.Fstat(fd, &st); err == nil {
		err = kind(&st, unix.S_IFREG)
	}
	if err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

// open opens a regular file for reading.
func (s *Store) open(rel string) (f *os.File, err error) {
	err = s.in("open", rel, func(dir int, name string) error {
		fd, _, err := openRegular(dir, name)
		if err == nil {
			f = os.NewFile(uintptr(fd), s.path(rel))
		}
		return err
	})
	return f, err
}

// createFile makes a new file.
func (s *Store) createFile(rel string, mode uint32) (f *os.File, err error) {
	err = s.in("open", rel, func(dir int, name string) error {
		fd, err := retry(func() (int, error) {
			return unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|openFlags, mode)
		})
		if err == nil {
			f = os.NewFile(uintptr(fd), s.path(rel))
		}
		return err
	})
	return f, err
}

func (s *Store) mkdir(rel string) error {
	return s.in("mkdir", rel, func(dir int, name string) error { return unix.Mkdirat(dir, name, dirMode) })
}

func (s *Store) rmdir(rel string) error {
	return s.in("rmdir", rel, func(dir int, name string) error { return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) })
}

// unlink removes a file that may be gone.
func (s *Store) unlink(rel string) error {
	err := s.in("remove", rel, func(dir int, name string) error { return unix.Unlinkat(dir, name, 0) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Store) rename(from, to string) error {
	return s.in("rename", to, func(toDir int, toName string) error {
		return s.in("rename", from, func(dir int, name string) error { return unix.Renameat(dir, name, toDir, toName) })
	})
}

func (s *Store) link(from, to string) error {
	return s.in("link", to, func(toDir int, toName string) error {
		return s.in("link", from, func(dir int, name string) error { return unix.Linkat(dir, name, toDir, toName, 0) })
	})
}

// readDir lists a directory in order; one that is gone has nothing in it.
func (s *Store) readDir(rel string) ([]fs.DirEntry, error) {
	fd, err := s.openDir(rel)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := readDirFD(fd, s.path(rel))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // removed while it was open
	}
	return entries, err
}

// readDirFD lists an open directory, and closes it.
func readDirFD(fd int, path string) ([]fs.DirEntry, error) {
	d := os.NewFile(uintptr(fd), path)
	defer d.Close()
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

func (s *Store) syncDir(rel string) error {
	fd, err := s.openDir(rel)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fsync(fd); err != nil {
		return &fs.PathError{Op: "sync", Path: s.path(rel), Err: err}
	}
	return nil
}

// removeAll removes a directory with all that is in it, which may be gone.
func (s *Store) removeAll(rel string) error {
	err := s.in("remove", rel, removeAllAt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeAllAt removes name from an open directory: what it is itself, never what it links to.
func removeAllAt(dir int, name string) error {
	err := unix.Unlinkat(dir, name, 0)
	if err != unix.EISDIR && err != unix.EPERM {
		if err == unix.ENOENT {
			return nil
		}
		return err
	}
	fd, e := retry(func() (int, error) { return unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|openFlags, 0) })
	if e == unix.ENOENT {
		return nil
	}
	if e != nil {
		return errors.Join(err, e)
	}
	inner, e := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if e != nil {
		unix.Close(fd)
		return e
	}
	defer unix.Close(inner)
	entries, e := readDirFD(fd, name)
	for _, entry := range entries {
		if e == nil {
			if e = removeAllAt(inner, entry.Name()); e != nil {
				e = fmt.Errorf("%s: %w", entry.Name(), e)
			}
		}
	}
	if e != nil {
		return e
	}
	if e = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR); e == unix.ENOENT {
		return nil
	}
	return e
}
