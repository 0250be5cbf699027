// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// UpdateManifest lets change alter a finished snapshot's manifest: all of it but
// Snapshot, Finished and Files. Updates wait for each other, a remover is kept out.
func (s *Store) UpdateManifest(ctx context.Context, ref Ref, change func(*Manifest) error) error {
	if err := s.update(ctx, ref, change); err != nil {
		return fmt.Errorf("update snapshot %s: %w", ref, err)
	}
	return nil
}

func (s *Store) update(ctx context.Context, ref Ref, change func(*Manifest) error) (err error) {
	s.migrate()
	shared, err := s.lockToRead(ctx, ref)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shared.Unlock()) }()
	return s.rewrite(ctx, ref, change)
}

// rewrite is update for who has the snapshot's shared lock.
func (s *Store) rewrite(ctx context.Context, ref Ref, change func(*Manifest) error) (err error) {
	lock, err := s.locks.Manifest(ctx, s.lockName(ref, ""))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	path := filepath.Join(ref.dir(), manifestFile)
	m, _, err := s.look(ref)
	if err != nil {
		return err
	}
	before := *m
	before.Files = slices.Clone(m.Files)
	if err := change(m); err != nil {
		return err
	}
	if m.Snapshot != before.Snapshot || !m.Finished.Equal(before.Finished) || !slices.Equal(m.Files, before.Files) {
		return errors.New("the name and the files of a finished snapshot cannot be changed")
	}
	b, err := m.encode()
	if err != nil {
		return err
	}
	// Beside the place would do, but in this tree a killed update's leftover is found.
	dir := filepath.Join(newDir, ref.dir())
	if err := s.makeDirs(dir); err != nil {
		return err
	}
	defer s.tidy(dir)
	return s.replaceFile(filepath.Join(dir, manifestFile), path, b)
}

// Protect sets or takes away a snapshot's protection from being removed.
func (s *Store) Protect(ctx context.Context, ref Ref, on bool) error {
	return s.UpdateManifest(ctx, ref, func(m *Manifest) error {
		m.Protected = on
		return nil
	})
}

// SetNotes replaces a snapshot's notes.
func (s *Store) SetNotes(ctx context.Context, ref Ref, notes string) error {
	return s.UpdateManifest(ctx, ref, func(m *Manifest) error {
		m.Notes = notes
		return nil
	})
}
