// SPDX-License-Identifier: GPL-2.0-only

package datastore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"

	"ovzpatch/internal/runlock"
)

// Entry is a snapshot in a list.
type Entry struct {
	Snapshot     Ref           `json:"snapshot"`
	Files        int           `json:"files"`
	Size         int64         `json:"size"` // bytes, of all files
	Owner        string        `json:"owner,omitempty"`
	Protected    bool          `json:"protected,omitempty"`
	Notes        string        `json:"notes,omitempty"`
	Verdict      string        `json:"verdict,omitempty"` // of the last test
	Verification *Verification `json:"verification,omitempty"`
	// Problem says why the rest is not known: the manifest could not be read.
	Problem string `json:"problem,omitempty"`
}

// summary is the part of a manifest that lists show; reading no more is much quicker.
type summary struct {
	Owner     string `json:"owner"`
	Protected bool   `json:"protected"`
	Notes     string `json:"notes"`
	Files     []struct {
		Size int64 `json:"size"`
	} `json:"files"`
	Verdicts []struct {
		Verdict string `json:"verdict"`
	} `json:"verdicts"`
	Verification *Verification `json:"verification"`
}

// Snapshots gives a group's snapshots, the oldest first.
func (s *Store) Snapshots(g Group) ([]Ref, error) {
	var refs []Ref
	err := eachDir(s.path(g.dir()), func(name string) error {
		if r, err := ParseRef(g.String() + "/" + name); err == nil {
			refs = append(refs, r)
		}
		return nil
	})
	return refs, err
}

// All gives every snapshot of the store, group by group, the oldest first.
func (s *Store) All() ([]Ref, error) {
	var refs []Ref
	err := s.snapshots("", func(r Ref) error {
		refs = append(refs, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list datastore %s: %w", s.dir, err)
	}
	return refs, nil
}

// List describes snapshots, in the order given. It takes no lock: one that is removed
// meanwhile is left out.
func (s *Store) List(ctx context.Context, refs []Ref) ([]Entry, error) {
	entries := make([]*Entry, len(refs))
	jobs := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range jobs {
				entries[i] = s.entry(refs[i])
			}
		})
	}
	for i := range refs {
		if ctx.Err() != nil {
			break
		}
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("list datastore %s: %w", s.dir, context.Cause(ctx))
	}
	var list []Entry
	for _, e := range entries {
		if e != nil {
			list = append(list, *e)
		}
	}
	return list, nil
}

// entry describes a snapshot; nil when it is gone.
func (s *Store) entry(ref Ref) *Entry {
	e := &Entry{Snapshot: ref}
	b, err := readBounded(s.path(ref.dir(), manifestFile))
	if errors.Is(err, fs.ErrNotExist) && !exists(s.path(ref.dir())) {
		return nil
	}
	var m summary
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		e.Problem = fmt.Sprintf("read manifest: %v", err)
		return e
	}
	e.Files, e.Owner, e.Protected, e.Notes, e.Verification = len(m.Files), m.Owner, m.Protected, m.Notes, m.Verification
	for _, f := range m.Files {
		e.Size += f.Size
	}
	if n := len(m.Verdicts); n > 0 {
		e.Verdict = m.Verdicts[n-1].Verdict
	}
	return e
}

// Locks gives the locks that are held on the store, by whomever.
func (s *Store) Locks() ([]runlock.Lock, error) {
	dirs := map[string]string{}
	if s.locks.Old() {
		for _, tree := range []string{"", newDir, goneDir} {
			err := s.groups(tree, "", func(g Group) error {
				dirs[g.String()] = s.path(tree, g.dir())
				return nil
			})
			if err == nil {
				err = s.snapshots(tree, func(r Ref) error {
					dirs[r.String()] = s.path(tree, r.dir())
					return nil
				})
			}
			if err != nil {
				return nil, fmt.Errorf("list locks: %w", err)
			}
		}
	}
	list, err := s.locks.List(dirs)
	slices.SortFunc(list, func(a, b runlock.Lock) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return list, err
}
