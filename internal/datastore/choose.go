// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ovzpatch/internal/job"
)

// Chosen are the snapshots and groups that somebody named.
type Chosen struct {
	Refs   []Ref
	Groups []Group
}

// Choose reads names of snapshots and groups: only a snapshot's time has colons. One that is
// neither is a job.ErrRequest.
func Choose(names []string) (Chosen, error) {
	var c Chosen
	for _, name := range names {
		if strings.Contains(name, ":") {
			r, err := ParseRef(name)
			if err != nil {
				return Chosen{}, job.BadRequest(err)
			}
			c.Refs = append(c.Refs, r)
			continue
		}
		g, err := ParseGroup(name)
		if err != nil {
			return Chosen{}, job.BadRequest(err)
		}
		c.Groups = append(c.Groups, g)
	}
	return c, nil
}

// Select returns the snapshots that are named, themselves or by their group; all when there is no
// name. One that is not there is an ErrNotFound, a group without any an ErrNoGroup.
func (s *Store) Select(names []string) ([]Ref, error) {
	if len(names) == 0 {
		return s.All()
	}
	var refs []Ref
	for _, name := range names {
		c, err := Choose([]string{name})
		if err != nil {
			return nil, err
		}
		for _, r := range c.Refs {
			if there, err := s.Has(r); err != nil || !there {
				return nil, fmt.Errorf("snapshot %s: %w", r, errors.Join(err, ErrNotFound))
			}
			refs = append(refs, r)
		}
		for _, g := range c.Groups {
			in, err := s.Snapshots(g)
			if err != nil {
				return nil, err
			}
			if len(in) == 0 {
				return nil, fmt.Errorf("group %s: %w", g, ErrNoGroup)
			}
			refs = append(refs, in...)
		}
	}
	return refs, nil
}

// ProtectAll is Protect for several snapshots. All are looked at before one is changed; those that
// were changed are returned with an error, too.
func (s *Store) ProtectAll(ctx context.Context, refs []Ref, on bool) (changed []Ref, err error) {
	for _, ref := range refs {
		r, err := s.Look(ctx, ref)
		if err != nil {
			return nil, err
		}
		r.Close()
	}
	for _, ref := range refs {
		if err := s.Protect(ctx, ref, on); err != nil {
			return changed, err
		}
		changed = append(changed, ref)
	}
	return changed, nil
}
