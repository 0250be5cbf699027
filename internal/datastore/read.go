// SPDX-License-Identifier: GPL-2.0-only

package datastore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"ovzpatch/internal/runlock"
)

// Reader is a snapshot that cannot be removed before it is closed.
type Reader struct {
	Ref Ref
	// Manifest is as it was when the snapshot was opened.
	Manifest *Manifest

	store *Store
	lock  *runlock.Shared
}

// OpenSnapshot opens a snapshot for reading and holds its shared lock until Close.
func (s *Store) OpenSnapshot(ctx context.Context, ref Ref) (*Reader, error) {
	lock, err := s.lockToRead(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", ref, err)
	}
	m, err := readManifest(s.path(ref.dir(), manifestFile), ref)
	if err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", ref, errors.Join(err, lock.Unlock()))
	}
	return &Reader{ref, m, s, lock}, nil
}

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
	if err := ref.check(); err != nil {
		return nil, err
	}
	dir := s.path(ref.dir())
	if !exists(dir) {
		return nil, ErrNotFound
	}
	lock, err := s.locks.SnapshotShared(ctx, s.lockName(ref, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if !exists(dir) {
		return nil, errors.Join(ErrNotFound, lock.Unlock(), s.forgetSnapshot(ctx, ref))
	}
	return lock, nil
}

// Path is where a file of the snapshot is, good until Close. The file is read-only, and
// must stay as it is: other snapshots may have the same.
func (r *Reader) Path(name string) string { return r.store.path(r.Ref.dir(), name) }

// Open opens a file of the snapshot.
func (r *Reader) Open(name string) (*os.File, error) {
	for _, f := range r.Manifest.Files {
		if f.Name == name {
			return os.Open(r.Path(name))
		}
	}
	return nil, fmt.Errorf("read snapshot %s: it has no file %q", r.Ref, name)
}

// Close gives the snapshot free.
func (r *Reader) Close() error { return r.lock.Unlock() }
