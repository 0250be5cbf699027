// SPDX-License-Identifier: Apache-2.0

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

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/job"
	"ovzpatch/internal/runlock"
)

// Version is the form of store that this program writes.
const Version = 4

// What a caller may want to tell apart. ErrLocked comes with who holds the lock.
var (
	ErrLocked    = runlock.ErrLocked
	ErrExists    = errors.New("exists already")
	ErrNotFound  = errors.New("no such snapshot")
	ErrProtected = errors.New("protected; remove the protection first (ovzpatch store protect --off)")
	ErrNewer     = errors.New("a newer ovzpatch made it; use that version")
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
	root  *os.File // dir, open: all in the store is reached from here
	name  string
	place runlock.Place
	locks *runlock.Locks
}

// format is the content of formatFile.
type format struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Name    string `json:"name"`
	UUID    string `json:"uuid,omitempty"` // since version 2
	// ByName is the boot in which a store of version 1 got its UUID: until it ends the locks
	// are filed under the name as well.
	ByName string `json:"by_name_in_boot,omitempty"`
}

// Init makes a store in a directory that is empty or not there yet. Its name is for
// people; "" takes the directory's.
func Init(dir, name string, place runlock.Place) (*Store, error) {
	made := missing(dir)
	s, err := initStore(dir, name, place)
	if err == nil {
		return s, nil
	}
	for _, d := range made {
		os.Remove(d)
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = fmt.Errorf("%w; make room there, or name a directory on another disk", err)
	}
	return nil, fmt.Errorf("make datastore %s: %w", dir, err)
}

// missing returns a directory and those above it that are not there, the deepest first.
func missing(dir string) (list []string) {
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Lstat(d); !errors.Is(err, os.ErrNotExist) {
			return list
		}
		list = append(list, d)
	}
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
		return nil, job.BadRequest(fmt.Errorf("%w; say another name with --name", err))
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
			return nil, job.BadRequest(fmt.Errorf("a datastore %w", ErrExists))
		}
		return nil, job.BadRequest(errors.New("the directory is not empty; name an empty or a new one"))
	}
	s, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	defer s.root.Close()
	if err := s.writeFormat(format{Format: formatName, Version: Version, Name: name, UUID: newUUID()}); err != nil {
		return nil, err
	}
	if err := atomicfile.Sync(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	return Open(dir, place)
}

// openRoot opens a store's own directory, through links as one likes: they are the user's.
func openRoot(dir string) (*Store, error) {
	root, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return &Store{dir: dir, root: root}, nil
}

// Open opens a store and writes nothing. A store of a newer form or on a network filesystem
// is refused; another user's can be listed, no more.
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
	s, err := openRoot(dir)
	var f format
	if err == nil {
		f, err = s.readFormat()
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, job.BadRequest(fmt.Errorf("it is not a datastore (it has no %s); make one with ovzpatch store init", formatFile))
	}
	if err != nil {
		return nil, err
	}
	if err := checkLocal(dir); err != nil {
		return nil, err
	}
	s.name, s.place = f.Name, place
	s.locks, err = runlock.New(place, s.keys)
	return s, err
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
		return f, fmt.Errorf("its format is version %d, and this program knows up to %d: %w", f.Version, Version, ErrNewer)
	}
	if f.Version > 1 && !uuidForm.MatchString(f.UUID) {
		return f, fmt.Errorf("read %s: uuid %q is not valid", formatFile, f.UUID)
	}
	return f, checkName("datastore name", f.Name, maxComponent)
}

// Dir is the store's directory, an absolute path.
func (s *Store) Dir() string { return s.dir }

// Name is what the store is called.
func (s *Store) Name() string { return s.name }

// path is where something in the store is, for messages and for other programs.
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

// Ready returns why no snapshot can be written into the store, as far as can be told
// without writing: so that it is known before long work.
func (s *Store) Ready() error {
	err := s.locks.Ready()
	for _, dir := range []string{".", newDir, objectsDir} {
		if err == nil {
			if err = s.writable(dir); errors.Is(err, os.ErrNotExist) {
				err = nil
			}
		}
	}
	if err != nil {
		return fmt.Errorf("write to datastore %s: %w", s.dir, err)
	}
	return nil
}
