// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"ovzpatch/internal/runlock"
)

// Cleanup removes what killed processes left: unfinished snapshots, half-removed ones,
// objects nobody has, empty directories and lock files of what is not there. Work that
// goes on is left alone.
func (s *Store) Cleanup(ctx context.Context) error {
	if err := s.cleanup(ctx); err != nil {
		return fmt.Errorf("clean up datastore %s: %w", s.dir, err)
	}
	return nil
}

func (s *Store) cleanup(ctx context.Context) error {
	if _, err := s.clearTrees(ctx); err != nil {
		return err
	}
	return s.sweep(ctx)
}

// clearLeftovers is the part of Cleanup that writers begin with: nearly nothing where
// nobody was killed.
func (s *Store) clearLeftovers(ctx context.Context) error {
	s.migrate()
	found, err := s.clearTrees(ctx)
	if err != nil {
		return fmt.Errorf("clear leftovers: %w", err)
	}
	if found {
		return s.sweep(ctx)
	}
	return nil
}

// clearTrees removes the directories in the two trees of unfinished work whose locks
// nobody has. found tells whether there was one.
func (s *Store) clearTrees(ctx context.Context) (found bool, err error) {
	for _, tree := range []string{newDir, goneDir} {
		err := s.snapshots(tree, func(ref Ref) error {
			cleared, err := s.clear(ctx, tree, ref)
			found = found || cleared
			return err
		})
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

func (s *Store) clear(ctx context.Context, tree string, ref Ref) (bool, error) {
	// Where directories are locked, a snapshot that is there is what the writer of a new
	// manifest has locked; else it is the unfinished directory itself.
	dir := s.path(tree, ref.dir())
	if tree == newDir && s.exists(ref.dir()) {
		dir = s.path(ref.dir())
	}
	lock, err := s.locks.Snapshot(ctx, s.lockName(ref, dir))
	if errors.Is(err, ErrLocked) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if tree != "" {
		err = s.clearLeftover(tree, ref)
	} else if s.going(ref) {
		err = s.clearInPlace(ref)
	}
	return true, errors.Join(err, s.releaseSnapshot(lock, ref))
}

// sweep does what takes a look at the whole store.
func (s *Store) sweep(ctx context.Context) error {
	// Snapshots that were begun to be removed where they are.
	err := s.snapshots("", func(ref Ref) error {
		if !s.going(ref) {
			return nil
		}
		_, err := s.clear(ctx, "", ref)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.sweepObjects(ctx); err != nil {
		return err
	}
	err = s.groups("", "", func(g Group) error { return s.forgetGroup(ctx, g) })
	if err != nil {
		return err
	}
	for _, tree := range []string{"", newDir, goneDir} {
		if err := s.tidyTree(tree, tree != ""); err != nil {
			return err
		}
		s.tidy(filepath.Clean(tree))
	}
	return s.locks.Sweep(ctx, func() ([]runlock.Snapshot, error) {
		var all []runlock.Snapshot
		err := s.groups("", "", func(g Group) error {
			all = append(all, runlock.Snapshot{Group: s.lockGroup(g)})
			return nil
		})
		if err != nil {
			return nil, err
		}
		err = s.snapshots("", func(r Ref) error {
			all = append(all, s.lockName(r, ""))
			return nil
		})
		return all, err
	})
}

// tidyTree removes the empty directories above the groups, and the empty groups too
// where they are nobody's to lock. A writer that needs one of them makes it again.
func (s *Store) tidyTree(at string, withGroups bool) error {
	return s.eachDir(at, func(name string) error {
		dir := filepath.Join(at, name)
		err := s.eachDir(dir, func(inner string) error {
			if name == namespaceDir {
				if err := s.tidyTree(filepath.Join(dir, inner), withGroups); err != nil {
					return err
				}
			} else if !withGroups {
				return nil
			}
			s.rmdir(filepath.Join(dir, inner))
			return nil
		})
		s.rmdir(dir)
		return err
	})
}
