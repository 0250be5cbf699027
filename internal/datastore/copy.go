// SPDX-License-Identifier: GPL-2.0-only

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
	r, err := s.OpenSnapshot(ctx, ref)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w, err := to.Create(ctx, dest.Group, dest.Time)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Abort()) }()
	for _, want := range r.Manifest.Files {
		got, err := w.AddPath(ctx, r.Path(want.Name))
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("file %s: it is not what the manifest says; run ovzpatch store verify %s", want.Name, ref)
		}
	}
	w.Manifest = *r.Manifest
	w.Manifest.Protected, w.Manifest.Verification = false, nil
	return w.Commit(ctx)
}
