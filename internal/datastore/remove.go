// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/runlock"
)

// Remove removes a snapshot. A protected one stays, and so does one that somebody reads or whose
// manifest cannot be read, which may be protected.
func (s *Store) Remove(ctx context.Context, ref Ref) error {
	_, err := s.RemoveAll(ctx, []Ref{ref}, nil, false)
	return err
}

// RemoveGroup removes a group with all its snapshots, or, when one of them has to stay, none.
func (s *Store) RemoveGroup(ctx context.Context, g Group) error {
	_, err := s.RemoveAll(ctx, nil, []Group{g}, false)
	return err
}

// RemoveAll removes snapshots and whole groups: all of them or, when one of them is
// protected, in use or not there, none. It returns what it removed, which is only some when
// one was protected or taken after all were looked at, or when the disk failed. One is
// locked at a time, so any number can be removed. With damaged also those go whose manifest cannot
// be read, protected or not.
func (s *Store) RemoveAll(ctx context.Context, refs []Ref, groups []Group, damaged bool) (removed []Ref, err error) {
	if err := s.clearLeftovers(ctx); err != nil {
		return nil, err
	}
	seen := map[Ref]bool{}
	var all []Ref
	add := func(refs ...Ref) {
		for _, r := range refs {
			if !seen[r] {
				seen[r] = true
				all = append(all, r)
			}
		}
	}
	add(refs...)
	for _, g := range groups {
		lock, err := s.lockGroupToRemove(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("remove group %s: %w", g, err)
		}
		defer func() { err = errors.Join(err, s.releaseGroup(lock, g)) }()
		in, err := s.Snapshots(g)
		if err != nil {
			return nil, fmt.Errorf("remove group %s: %w", g, err)
		}
		add(in...)
	}
	check := unlessProtected
	if damaged {
		check = unlessKnownProtected
	}
	for _, r := range all {
		if err := s.removeOne(ctx, r, true, check); err != nil {
			return nil, fmt.Errorf("remove snapshot %s: %w", r, err)
		}
	}
	for _, r := range all {
		if err := s.removeOne(ctx, r, false, check); err != nil {
			return removed, fmt.Errorf("remove snapshot %s: %w", r, err)
		}
		removed = append(removed, r)
	}
	for _, r := range refs {
		if !slices.Contains(groups, r.Group) {
			err = errors.Join(err, s.forgetGroup(ctx, r.Group))
		}
	}
	return removed, err
}

func unlessProtected(m *Manifest, problems []Problem, err error) error {
	// One that is going is not there, for look.
	if m == nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("it may be protected: %w; look at what is left of it, then remove it with ovzpatch store remove --damaged", err)
	}
	return unlessKnownProtected(m, problems, err)
}

func unlessKnownProtected(m *Manifest, _ []Problem, _ error) error {
	if m != nil && m.Protected {
		return ErrProtected
	}
	return nil
}

// lockGroupToRemove locks a group that is there.
func (s *Store) lockGroupToRemove(ctx context.Context, g Group) (*runlock.Exclusive, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	there, err := s.dirThere(g.dir())
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, ErrNotFound
	}
	lock, err := s.locks.Group(ctx, s.lockGroup(g))
	if errors.Is(err, fs.ErrNotExist) && !noLocks(err) {
		return nil, ErrNotFound
	}
	return lock, err
}

// removeOne removes a snapshot when check, which is shown its manifest under the lock,
// agrees. A dry run does all of that but the removing.
func (s *Store) removeOne(ctx context.Context, ref Ref, dryRun bool, check func(*Manifest, []Problem, error) error) error {
	lock, err := s.lockToRemove(ctx, ref)
	if err != nil {
		return err
	}
	m, problems, err := s.look(ref)
	if err = check(m, problems, err); err == nil {
		err = s.writable(ref.Group.dir())
	}
	if err == nil && !dryRun {
		err = s.discard(ctx, ref, m)
	}
	return errors.Join(err, s.releaseSnapshot(lock, ref))
}

// writable tells whether a directory's entries can be made and removed.
func (s *Store) writable(rel string) error {
	return s.in("write to", rel, func(dir int, name string) error {
		return unix.Faccessat(dir, name, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	})
}

// lockToRemove locks a snapshot that is there.
func (s *Store) lockToRemove(ctx context.Context, ref Ref) (*runlock.Exclusive, error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	// Asked before, so that no lock file is made for what is not there.
	there, err := s.dirThere(ref.dir())
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, ErrNotFound
	}
	lock, err := s.locks.Snapshot(ctx, s.lockName(ref, s.path(ref.dir())))
	if errors.Is(err, fs.ErrNotExist) && !noLocks(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if there, err = s.dirThere(ref.dir()); !there {
		if err == nil {
			err = ErrNotFound
		}
		return nil, errors.Join(err, s.releaseSnapshot(lock, ref))
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
	if !s.going(ref) {
		err = s.move(ref.dir(), gone)
	}
	switch {
	case err == nil || !s.exists(ref.dir()):
	case noSpace(err) || errors.Is(err, unix.EXDEV):
		// To move it away takes space for directories, and cannot be done where it is on a
		// lower layer of an overlay. To rename a file in its own directory takes none.
		s.tidy(filepath.Dir(gone))
		err = s.rename(filepath.Join(ref.dir(), manifestFile), filepath.Join(ref.dir(), goneMark))
		if noSpace(err) {
			// Not even that: then it is seen going, as one whose manifest is missing.
			err = s.unlink(filepath.Join(ref.dir(), manifestFile))
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	default:
		s.tidy(filepath.Dir(gone))
	}
	if err != nil && s.exists(ref.dir()) {
		return errors.Join(err, manifest.Unlock())
	}
	if s.exists(ref.dir()) {
		err = errors.Join(err, s.clearInPlace(ref), s.syncDir(ref.Group.dir()))
	}
	err = errors.Join(err, s.clearLeftover(goneDir, ref))
	if m != nil {
		for _, f := range m.Files {
			err = errors.Join(err, s.dropObject(f.SHA256))
		}
	} else if err == nil {
		err = s.sweepObjects(ctx)
	}
	return errors.Join(err, manifest.Remove())
}

// clearInPlace removes what is left of a snapshot that is going. As long as something is
// left of it the mark is, or that would be a damaged snapshot.
func (s *Store) clearInPlace(ref Ref) error {
	entries, err := s.readDir(ref.dir())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == goneMark {
			continue
		}
		if err := s.removeAll(filepath.Join(ref.dir(), e.Name())); err != nil {
			return err
		}
	}
	if err := s.unlink(filepath.Join(ref.dir(), goneMark)); err != nil {
		return err
	}
	// What somebody puts there now is not ours to remove.
	if err := s.rmdir(ref.dir()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// clearLeftover removes a snapshot's directory in one of the trees of unfinished work.
// The caller has its lock.
func (s *Store) clearLeftover(tree string, ref Ref) error {
	dir := filepath.Join(tree, ref.dir())
	if err := s.removeAll(dir); err != nil {
		return err
	}
	s.tidy(filepath.Dir(dir))
	return nil
}

// releaseSnapshot releases a snapshot's lock, and removes its file when there is no
// such snapshot.
func (s *Store) releaseSnapshot(lock *runlock.Exclusive, ref Ref) error {
	if s.exists(ref.dir()) {
		return lock.Unlock()
	}
	return lock.Remove()
}

// releaseGroup releases a group's lock, and removes the group when it is empty.
func (s *Store) releaseGroup(lock *runlock.Exclusive, g Group) error {
	err := s.rmdir(g.dir())
	if err == nil || errors.Is(err, fs.ErrNotExist) {
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
