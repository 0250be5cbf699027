// SPDX-License-Identifier: GPL-2.0-only

package datastore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// replaceFile writes a file at the temporary path, makes sure it is on the disk, and
// renames it to where it belongs.
func replaceFile(temp, path string, b []byte) error {
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(temp))
	}
	return syncDir(filepath.Dir(path))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// makeDirs makes a directory below the store with its parents. Another process may tidy
// an empty parent away in between; then it is made again.
func (s *Store) makeDirs(relative string) error {
	dir := s.path(relative)
	for {
		err := os.Mkdir(dir, dirMode)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) || relative == "." {
			return err
		}
		if err := s.makeDirs(filepath.Dir(relative)); err != nil {
			return err
		}
	}
}

// tidy removes a directory below the store and its parents as far as they are empty.
func (s *Store) tidy(relative string) {
	for relative != "." && unix.Rmdir(s.path(relative)) == nil {
		relative = filepath.Dir(relative)
	}
}

// move renames a snapshot's directory and makes that last. The kernel renames no
// directory onto one that has something in it.
func (s *Store) move(from, to string) error {
	for {
		if err := s.makeDirs(filepath.Dir(to)); err != nil {
			return err
		}
		err := unix.Rename(s.path(from), s.path(to))
		if err == unix.ENOENT && exists(s.path(from)) {
			continue // the directory just made was tidied away as empty
		}
		if err != nil {
			return fmt.Errorf("rename %s to %s: %w", from, to, err)
		}
		break
	}
	// All the way up, for any of these directories may be new, and be another process's
	// that has not come so far.
	for dir := filepath.Dir(to); ; dir = filepath.Dir(dir) {
		if err := syncDir(s.path(dir)); err != nil {
			return err
		}
		if dir == "." {
			break
		}
	}
	err := syncDir(s.path(filepath.Dir(from)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// removeDir removes a directory of files, which are all that a snapshot has.
func removeDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := removeIfThere(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return removeIfThere(dir)
}

// snapshots calls f with every snapshot's directory below one of the store's trees:
// "" for the finished ones, newDir, goneDir. It skips what is not named like one.
func (s *Store) snapshots(tree string, f func(Ref) error) error {
	return s.groups(tree, "", func(g Group) error {
		return eachDir(s.path(tree, g.dir()), func(name string) error {
			if r, err := ParseRef(g.String() + "/" + name); err == nil {
				return f(r)
			}
			return nil
		})
	})
}

// groups calls f with every group's directory below a tree, whether or not there is
// anything in it.
func (s *Store) groups(tree string, ns Namespace, f func(Group) error) error {
	at := tree
	for _, p := range ns.components() {
		at = filepath.Join(at, namespaceDir, p)
	}
	return eachDir(s.path(at), func(name string) error {
		if name != namespaceDir {
			return eachDir(s.path(at, name), func(id string) error {
				g := Group{ns, name, id}
				if g.check() != nil {
					return nil
				}
				return f(g)
			})
		}
		return eachDir(s.path(at, name), func(inner string) error {
			n, err := ParseNamespace(strings.TrimPrefix(string(ns)+"/"+inner, "/"))
			if err != nil {
				return nil
			}
			return s.groups(tree, n, f)
		})
	})
}

// eachDir calls f with the name of every directory in dir, in order; a dir that is gone
// has none.
func eachDir(dir string, f func(name string) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			if err := f(e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}
