// SPDX-License-Identifier: GPL-2.0-only

// Package datastore keeps finished builds for years: snapshots of files with a manifest,
// in groups, in namespaces. Many processes may use a store at once. A snapshot is seen
// only when it is whole, and stays whole for who reads it; whatever is killed at whatever
// moment leaves nothing but leftovers that the next writer clears away. The form on disk
// is described in docs/datastore.md.
package datastore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/runlock"
)

// Version is the form of store that this program writes.
const Version = 1

// What a caller may want to tell apart. ErrLocked comes with who holds the lock.
var (
	ErrLocked    = runlock.ErrLocked
	ErrExists    = errors.New("exists already")
	ErrNotFound  = errors.New("no such snapshot")
	ErrProtected = errors.New("protected; take the protection away first (ovzpatch store protect --off)")
	ErrNewer     = errors.New("made by a newer ovzpatch; use that one")
)

const (
	formatFile   = ".datastore.json"
	formatName   = "ovzpatch datastore"
	objectsDir   = ".objects" // files by digest, linked into the snapshots that have them
	newDir       = ".new"     // what is being written, under the path it will have
	goneDir      = ".gone"    // what is being removed, under the path it had
	namespaceDir = "ns"
	manifestFile = "index.json"
	dirMode      = 0o755
	fileMode     = 0o444
)

// Store is an open datastore.
type Store struct {
	dir   string
	name  string
	locks *runlock.Locks
}

// format is the content of formatFile.
type format struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Name    string `json:"name"`
}

// Init makes a store in a directory that is empty or not there yet. Its name is what its
// locks are filed under; "" takes the directory's.
func Init(dir, name string, place runlock.Place) (*Store, error) {
	s, err := initStore(dir, name, place)
	if err != nil {
		return nil, fmt.Errorf("make datastore %s: %w", dir, err)
	}
	return s, nil
}

func initStore(dir, name string, place runlock.Place) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = filepath.Base(dir)
	}
	if err := checkName("datastore name", name, maxComponent); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	if err := checkLocal(dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		if _, err := os.Lstat(filepath.Join(dir, formatFile)); err == nil {
			return nil, fmt.Errorf("a datastore %w", ErrExists)
		}
		return nil, errors.New("the directory is not empty; name an empty or a new one")
	}
	b, err := json.Marshal(format{formatName, Version, name})
	if err != nil {
		return nil, err
	}
	if err := replaceFile(filepath.Join(dir, formatFile+".new"), filepath.Join(dir, formatFile), append(b, '\n')); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	return Open(dir, place)
}

// Open opens a store and writes nothing. A store of a newer form, on a network filesystem
// or of another user is refused.
func Open(dir string, place runlock.Place) (*Store, error) {
	s, err := open(dir, place)
	if err != nil {
		return nil, fmt.Errorf("open datastore %s: %w", dir, err)
	}
	return s, nil
}

func open(dir string, place runlock.Place) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, formatFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("it is no datastore (it has no %s); make one with ovzpatch store init", formatFile)
	}
	if err != nil {
		return nil, err
	}
	f, err := parseFormat(b)
	if err != nil {
		return nil, err
	}
	if err := checkLocal(dir); err != nil {
		return nil, err
	}
	if err := checkOwner(dir); err != nil {
		return nil, err
	}
	locks, err := runlock.New(place, f.Name)
	if err != nil {
		return nil, err
	}
	return &Store{dir: dir, name: f.Name, locks: locks}, nil
}

// parseFormat looks at the version before anything else: a newer form may be different
// in all the rest.
func parseFormat(b []byte) (format, error) {
	var f format
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("read %s: %w", formatFile, err)
	}
	if f.Format != formatName || f.Version < 1 {
		return f, fmt.Errorf("read %s: it does not describe a datastore", formatFile)
	}
	if f.Version > Version {
		return f, fmt.Errorf("its form is version %d, this program knows up to %d: %w", f.Version, Version, ErrNewer)
	}
	return f, checkName("datastore name", f.Name, maxComponent)
}

// checkOwner refuses other users' stores: their locks are in another place, so that two
// could hold the same lock exclusively.
func checkOwner(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to uid %d, whose locks uid %d cannot see; run ovzpatch as uid %[1]d", st.Uid, os.Geteuid())
	}
	return nil
}

// Dir is the store's directory, an absolute path.
func (s *Store) Dir() string { return s.dir }

// Name is what the store's locks are filed under.
func (s *Store) Name() string { return s.name }

// path gives a path in the store.
func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// decodeStrict refuses fields it does not know: writing the value back would lose them.
func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one value")
	}
	return nil
}
