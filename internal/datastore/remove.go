// SPDX-License-Identifier: GPL-2.0-only

package datastore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/runlock"
)

// Remove removes a snapshot. A protected one, and one that somebody reads, stays.
func (s *Store) Remove(ctx context.Context, ref Ref) error {
	if err := s.removeIf(ctx, ref, func(m *Manifest, _ error) error {
		// One whose manifest cannot be read any more must be removable.
		if m != nil && m.Protected {
			return ErrProtected
		}
		return nil
	}); err != nil {
		return fmt.Errorf("remove snapshot %s: %w", ref, err)
	}
	return nil
}

// removeIf removes a snapshot when check, which is shown its manifest under the lock,
// agrees.
func (s *Store) removeIf(ctx context.Context, ref Ref, check func(*Manifest, error) error) error {
	if err := s.clearLeftovers(ctx); err != nil {
		return err
	}
	lock, err := s.lockToRemove(ctx, ref)
	if err != nil {
		return err
	}
	m, err := readManifest(s.path(ref.dir(), manifestFile), ref)
	if err = check(m, err); err == nil {
		err = s.discard(ctx, ref, m)
	}
	if err = errors.Join(err, s.releaseSnapshot(lock, ref)); err != nil {
		return err
	}
	return s.forgetGroup(ctx, ref.Group)
}

// lockToRemove locks a snapshot that is there.
func (s *Store) lockToRemove(ctx context.Context, ref Ref) (*runlock.Exclusive, error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	dir := s.path(ref.dir())
	// Asked before, so that no lock file is made for what is not there.
	if !exists(dir) {
		return nil, ErrNotFound
	}
	lock, err := s.locks.Snapshot(ctx, s.lockName(ref, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if !exists(dir) {
		return nil, errors.Join(ErrNotFound, s.releaseSnapshot(lock, ref))
	}
	return lock, nil
}

// discard takes a locked snapshot out of sight at once, then apart. m may be nil.
func (s *Store) discard(ctx context.Context, ref Ref, m *Manifest) error {
	manifest, err := s.locks.Manifest(ctx, s.lockName(ref, ""))
	if err != nil {
		return err
	}
	gone := filepath.Join(goneDir, ref.dir())
	if err := s.clearLeftover(goneDir, ref); err != nil {
		return errors.Join(err, manifest.Unlock())
	}
	if err := s.move(ref.dir(), gone); err != nil {
		s.tidy(filepath.Dir(gone))
		return errors.Join(err, manifest.Unlock())
	}
	err = s.clearLeftover(goneDir, ref)
	if m != nil {
		for _, f := range m.Files {
			err = errors.Join(err, s.dropObject(f.SHA256))
		}
	} else if err == nil {
		err = s.sweepObjects(ctx)
	}
	return errors.Join(err, manifest.Remove())
}

// clearLeftover removes a snapshot's directory in one of the trees of unfinished work.
// The caller has its lock.
func (s *Store) clearLeftover(tree string, ref Ref) error {
	dir := filepath.Join(tree, ref.dir())
	if err := removeDir(s.path(dir)); err != nil {
		return err
	}
	s.tidy(filepath.Dir(dir))
	return nil
}

// RemoveGroup removes a group with all its snapshots, or, when one of them is protected
// or in use, none.
func (s *Store) RemoveGroup(ctx context.Context, g Group) error {
	if err := s.removeGroup(ctx, g); err != nil {
		return fmt.Errorf("remove group %s: %w", g, err)
	}
	return nil
}

func (s *Store) removeGroup(ctx context.Context, g Group) (err error) {
	if err := g.check(); err != nil {
		return err
	}
	if err := s.clearLeftovers(ctx); err != nil {
		return err
	}
	if !exists(s.path(g.dir())) {
		return ErrNotFound
	}
	group, err := s.locks.Group(ctx, s.lockGroup(g))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.releaseGroup(group, g)) }()
	refs, err := s.Snapshots(g)
	if err != nil {
		return err
	}
	manifests := make([]*Manifest, len(refs))
	for i, ref := range refs {
		lock, err := s.lockToRemove(ctx, ref)
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", ref, err)
		}
		defer func() { err = errors.Join(err, s.releaseSnapshot(lock, ref)) }()
		m, err := readManifest(s.path(ref.dir(), manifestFile), ref)
		if err == nil && m.Protected {
			return fmt.Errorf("snapshot %s: %w", ref, ErrProtected)
		}
		manifests[i] = m
	}
	for i, ref := range refs {
		if err := s.discard(ctx, ref, manifests[i]); err != nil {
			return fmt.Errorf("snapshot %s: %w", ref, err)
		}
	}
	return nil
}

// releaseSnapshot gives a snapshot's lock back, and takes its file away when there is no
// such snapshot.
func (s *Store) releaseSnapshot(lock *runlock.Exclusive, ref Ref) error {
	if exists(s.path(ref.dir())) {
		return lock.Unlock()
	}
	return lock.Remove()
}

// releaseGroup gives a group's lock back, and takes the group away when it is empty.
func (s *Store) releaseGroup(lock *runlock.Exclusive, g Group) error {
	err := unix.Rmdir(s.path(g.dir()))
	if err == nil || err == unix.ENOENT {
		s.tidy(filepath.Dir(g.dir()))
		return lock.Remove()
	}
	return lock.Unlock()
}

// forgetGroup takes an empty group away. When another has its lock, it is theirs to do.
func (s *Store) forgetGroup(ctx context.Context, g Group) error {
	refs, err := s.Snapshots(g)
	if err != nil || len(refs) > 0 {
		return err
	}
	lock, err := s.locks.Group(ctx, s.lockGroup(g))
	if errors.Is(err, ErrLocked) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.releaseGroup(lock, g)
}

// forgetSnapshot takes the lock file away that was made for a snapshot that turned out
// not to be there.
func (s *Store) forgetSnapshot(ctx context.Context, ref Ref) error {
	lock, err := s.locks.Snapshot(ctx, s.lockName(ref, s.path(ref.dir())))
	if errors.Is(err, ErrLocked) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.releaseSnapshot(lock, ref)
}
