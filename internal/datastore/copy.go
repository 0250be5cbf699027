// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
)

// Copy copies a snapshot into another store, or under another namespace of the same one.
// Bytes that are not what the manifest says are not copied on: the copy fails. Protection
// and verification are not carried over.
func (s *Store) Copy(ctx context.Context, ref Ref, to *Store, ns Namespace) (Ref, error) {
	dest := ref
	dest.Namespace = ns
	if err := s.copyTo(ctx, ref, to, dest); err != nil {
		return dest, fmt.Errorf("copy snapshot %s to %s in %s: %w", ref, dest, to.dir, err)
	}
	return dest, nil
}

func (s *Store) copyTo(ctx context.Context, ref Ref, to *Store, dest Ref) (err error) {
	if there, err := s.present(ref); err != nil || !there {
		return errors.Join(err, ErrNotFound)
	}
	w, err := to.Create(ctx, dest.Group, dest.Time)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Abort()) }()
	// Two stores that got their UUIDs in this boot may have had the same name before, and
	// still be locked by it. What the writer has locked that way is not locked once more.
	locks := s.locks
	if ref == dest {
		if locks, err = s.locks.Beside(to.locks); err != nil {
			return err
		}
	}
	r, err := s.openSnapshot(ctx, ref, locks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, want := range r.Manifest.Files {
		if err := copyFile(ctx, r, w, want); err != nil {
			return err
		}
	}
	w.Manifest = *r.Manifest
	w.Manifest.Protected, w.Manifest.Verification = false, nil
	return w.Commit(ctx)
}

func copyFile(ctx context.Context, r *Reader, w *Writer, want File) error {
	f, err := r.Open(want.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := w.AddFile(ctx, want.Name, f)
	if err == nil && got != want {
		err = fmt.Errorf("file %s: it is not what the manifest says; run ovzpatch store verify %s", want.Name, r.Ref)
	}
	return err
}
