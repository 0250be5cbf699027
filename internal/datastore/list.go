// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

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
	// Problem says why the snapshot cannot be relied on, whatever its manifest says: it
	// cannot be read, or a file is not what it should be. Verification is never good then.
	Problem string `json:"problem,omitempty"`

	proved bool // as its manifest says
}

// Snapshots returns a group's snapshots, the oldest first.
func (s *Store) Snapshots(g Group) ([]Ref, error) {
	var refs []Ref
	entries, err := s.readDir(g.dir())
	for _, e := range entries {
		if r, bad := ParseRef(g.String() + "/" + e.Name()); bad == nil {
			refs = append(refs, r)
		}
	}
	return refs, err
}

// All returns every snapshot of the store, group by group, the oldest first.
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
	m, problems, err := s.look(ref)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		e.Problem = err.Error()
		return e
	}
	e.Files, e.Owner, e.Protected, e.Notes, e.Verification = len(m.Files), m.Owner, m.Protected, m.Notes, m.Verification
	for _, f := range m.Files {
		e.Size += f.Size
	}
	for _, v := range m.Verdicts {
		if !v.Control {
			e.Verdict = v.Verdict
		}
	}
	e.proved = m.proved()
	if len(problems) > 0 {
		e.Problem = fmt.Sprintf("%s: %s", problems[0].File, problems[0].Problem)
		if e.Verification != nil && e.Verification.OK {
			e.Verification = nil // it was good, then
		}
	}
	return e
}

// Locks returns the locks that are held on the store, by whomever.
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
	keys := []string{s.name}
	if f, err := s.readFormat(); err == nil && f.Version > 1 {
		keys = append(keys, f.UUID)
	}
	var st unix.Stat_t
	if unix.Fstat(int(s.root.Fd()), &st) == nil {
		if key := s.place.KnownKey(runlock.StoreDir{Dev: st.Dev, Ino: st.Ino}); key != "" {
			keys = append([]string{key}, keys...)
		}
	}
	list, err := s.locks.List(keys, dirs)
	slices.SortFunc(list, func(a, b runlock.Lock) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return list, err
}
