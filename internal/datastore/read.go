// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/runlock"
)

// Reader is a snapshot that cannot be removed before it is closed.
type Reader struct {
	Ref Ref
	// Manifest is as it was when the snapshot was opened.
	Manifest *Manifest
	// Problems are what was wrong with the files then, as far as can be told without
	// reading them.
	Problems []Problem

	store *Store
	lock  *runlock.Shared // nil where no lock could be had, see Look
}

// OpenSnapshot opens a snapshot for reading and holds its shared lock until Close.
func (s *Store) OpenSnapshot(ctx context.Context, ref Ref) (*Reader, error) {
	r, err := s.openSnapshot(ctx, ref, s.locks)
	if err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", ref, err)
	}
	return r, nil
}

func (s *Store) openSnapshot(ctx context.Context, ref Ref, locks *runlock.Locks) (*Reader, error) {
	lock, err := s.lockToReadBy(ctx, ref, locks)
	if err != nil {
		return nil, err
	}
	m, problems, err := s.look(ref)
	if err != nil {
		return nil, errors.Join(Damage(err), lock.Unlock())
	}
	return &Reader{ref, m, problems, s, lock}, nil
}

// DamagedError is of a snapshot that is there and cannot be relied on, as against a machine that cannot read it now.
type DamagedError struct{ Err error }

func (e *DamagedError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *DamagedError) Unwrap() error { return e.Err }

// Damage marks what was found wrong with a snapshot. A lack of rights, memory or descriptors is no damage; a disk that cannot
// read, or lacks a file, is.
func Damage(err error) error {
	var errno syscall.Errno
	if err == nil || errors.Is(err, ErrNotFound) || errors.As(err, &errno) && !slices.Contains(rotten, errno) {
		return err
	}
	return &DamagedError{err}
}

// rotten is what is said of a disk that cannot read what it should hold, or lacks it.
var rotten = []syscall.Errno{unix.EIO, unix.EUCLEAN, unix.EBADMSG, unix.ENOENT, unix.ENOTDIR, unix.ELOOP}

// Look is OpenSnapshot for who wants the manifest only, which is read at once. Where there
// are no locks to be had, as in another user's store, it does without.
func (s *Store) Look(ctx context.Context, ref Ref) (*Reader, error) {
	r, err := s.OpenSnapshot(ctx, ref)
	if !noLocks(err) {
		return r, err
	}
	m, problems, err := s.look(ref)
	if err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", ref, err)
	}
	return &Reader{ref, m, problems, s, nil}, nil
}

// noLocks tells that there is no place for locks.
func noLocks(err error) bool { return errors.Is(err, errOthers) || errors.Is(err, runlock.ErrPlace) }

// LockExclusive locks a snapshot as its remover does, for a program of the caller's.
func (s *Store) LockExclusive(ctx context.Context, ref Ref) (*runlock.Exclusive, error) {
	lock, err := s.lockToRemove(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("lock snapshot %s: %w", ref, err)
	}
	return lock, nil
}

// LockShared locks a snapshot as its readers do, for a program of the caller's.
func (s *Store) LockShared(ctx context.Context, ref Ref) (*runlock.Shared, error) {
	lock, err := s.lockToRead(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("lock snapshot %s: %w", ref, err)
	}
	return lock, nil
}

// lockToRead locks a snapshot that is there.
func (s *Store) lockToRead(ctx context.Context, ref Ref) (*runlock.Shared, error) {
	return s.lockToReadBy(ctx, ref, s.locks)
}

func (s *Store) lockToReadBy(ctx context.Context, ref Ref, locks *runlock.Locks) (*runlock.Shared, error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	there, err := s.present(ref)
	if err != nil {
		return nil, Damage(err)
	}
	if !there {
		return nil, ErrNotFound
	}
	lock, err := locks.SnapshotShared(ctx, s.lockName(ref, s.path(ref.dir())))
	if errors.Is(err, fs.ErrNotExist) && !noLocks(err) {
		return nil, errors.Join(ErrNotFound, s.forgetSnapshot(ctx, ref))
	}
	if err != nil {
		return nil, err
	}
	if there, err = s.present(ref); !there {
		if err == nil {
			err = ErrNotFound
		}
		return nil, errors.Join(err, lock.Unlock(), s.forgetSnapshot(ctx, ref))
	}
	return lock, nil
}

// Whole returns what is wrong with the snapshot's files, as far as can be told without reading
// them; nil when nothing is. Their paths are only good for use where nothing is.
func (r *Reader) Whole() error {
	if len(r.Problems) == 0 {
		return nil
	}
	return &DamagedError{fmt.Errorf("read snapshot %s: %s: %s; ovzpatch store verify tells more", r.Ref, r.Problems[0].File, r.Problems[0].Problem)}
}

// Dir is the snapshot's directory.
func (r *Reader) Dir() string { return r.store.path(r.Ref.dir()) }

// Path is where a file of the snapshot is, good until Close. The file is read-only, and
// must stay as it is: other snapshots may have the same.
func (r *Reader) Path(name string) string { return r.store.path(r.Ref.dir(), name) }

// Open opens a file of the snapshot.
func (r *Reader) Open(name string) (*os.File, error) {
	for _, f := range r.Manifest.Files {
		if f.Name == name {
			return r.store.open(filepath.Join(r.Ref.dir(), name))
		}
	}
	return nil, fmt.Errorf("read snapshot %s: it has no file %q", r.Ref, name)
}

// Close releases the snapshot.
func (r *Reader) Close() error {
	if r.lock == nil {
		return nil
	}
	return r.lock.Unlock()
}
