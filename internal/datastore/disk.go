// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/atomicfile"
)

// noSpace tells whether the disk, or the user's part of it, is full.
func noSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// replaceFile writes a file at the temporary path, makes sure it is on the disk, and
// renames it to where it belongs.
func (s *Store) replaceFile(temp, path string, b []byte) error {
	if err := s.unlink(temp); err != nil {
		return err
	}
	f, err := s.createFile(temp, 0o644)
	if err != nil {
		return atomicfile.Named(err, s.path(temp), s.path(path))
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = s.rename(temp, path)
	}
	if err != nil {
		return errors.Join(atomicfile.Named(err, s.path(temp), s.path(path)), s.unlink(temp))
	}
	return s.syncDir(filepath.Dir(path))
}

// raceTries bounds how often something is made again that others take away as empty. They
// do so once each; who is so many times too late has met something else.
const raceTries = 1000

// makeDirs makes a directory below the store with its parents. Another process may tidy
// an empty parent away in between; then it is made again.
func (s *Store) makeDirs(rel string) error {
	var err error
	for range raceTries {
		err = s.mkdir(rel)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrExist) {
			there, e := s.dirThere(rel)
			if there || e != nil {
				return e
			}
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) || rel == "." {
			return err
		}
		if err := s.makeDirs(filepath.Dir(rel)); err != nil {
			return err
		}
	}
	return err
}

// tidy removes a directory below the store and its parents as far as they are empty.
func (s *Store) tidy(rel string) {
	for rel != "." && s.rmdir(rel) == nil {
		rel = filepath.Dir(rel)
	}
}

// move renames a snapshot's directory and makes that last. The kernel renames no
// directory onto one that has something in it.
func (s *Store) move(from, to string) error {
	for tries := 0; ; tries++ {
		if err := s.makeDirs(filepath.Dir(to)); err != nil {
			return err
		}
		err := s.rename(from, to)
		if errors.Is(err, fs.ErrNotExist) && s.exists(from) && tries < raceTries {
			continue // the directory just made was tidied away as empty
		}
		if err != nil {
			return err
		}
		break
	}
	// All the way up, for any of these directories may be new, and be another process's
	// that has not come so far.
	for dir := filepath.Dir(to); ; dir = filepath.Dir(dir) {
		if err := s.syncDir(dir); err != nil {
			return err
		}
		if dir == "." {
			break
		}
	}
	err := s.syncDir(filepath.Dir(from))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// snapshots calls f with every snapshot's directory below one of the store's trees:
// "" for the finished ones, newDir, goneDir. It skips what is not named like one.
func (s *Store) snapshots(tree string, f func(Ref) error) error {
	return s.groups(tree, "", func(g Group) error {
		// Whatever has a snapshot's name is shown, also what is no directory.
		entries, err := s.readDir(filepath.Join(tree, g.dir()))
		for _, e := range entries {
			if r, bad := ParseRef(g.String() + "/" + e.Name()); bad == nil && err == nil {
				err = f(r)
			}
		}
		return err
	})
}

// groups calls f with every group's directory below a tree, whether or not there is
// anything in it.
func (s *Store) groups(tree string, ns Namespace, f func(Group) error) error {
	at := tree
	for _, p := range ns.components() {
		at = filepath.Join(at, namespaceDir, p)
	}
	return s.eachDir(at, func(name string) error {
		if name != namespaceDir {
			return s.eachDir(filepath.Join(at, name), func(id string) error {
				g := Group{ns, name, id}
				if g.check() != nil {
					return nil
				}
				return f(g)
			})
		}
		return s.eachDir(filepath.Join(at, name), func(inner string) error {
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
func (s *Store) eachDir(dir string, f func(name string) error) error {
	entries, err := s.readDir(dir)
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
