// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
)

// stage is a generation in the making. Nothing of it is seen by clients.
type stage struct {
	t    *target
	key  *signer
	rec  *Record
	dir  string
	u    job.Reporter
	open func(Package) (*os.File, int64, error) // the unsigned file, and its size
	// manifest is that of a snapshot, nil where the snapshot is not at hand.
	manifest func(datastore.Ref) *datastore.Manifest

	fresh []int // the packages that are signed now
	// trusts says that what an earlier generation signed is linked unread: createrepo_c reads it next, and
	// compare holds that against what was published.
	trusts bool
}

// repo is the directory of one profile's repository.
func (s *stage) repo(p Profile) string { return filepath.Join(s.dir, string(p)) }

// fromSnapshots opens a package's file in the snapshot that it is taken from.
func fromSnapshots(readers map[datastore.Ref]*datastore.Reader) func(Package) (*os.File, int64, error) {
	return func(p Package) (*os.File, int64, error) {
		r := readers[p.Snapshot]
		if r == nil {
			return nil, 0, fmt.Errorf("%s is in no generation any more, and %s was not asked for", p.File, p.Snapshot)
		}
		f, err := r.Open(p.File)
		if err != nil {
			return nil, 0, err
		}
		n := slices.IndexFunc(r.Manifest.Files, func(f datastore.File) bool { return f.Name == p.File })
		return f, r.Manifest.Files[n].Size, nil
	}
}

// place puts all packages into the first profile's directory, signed, and links them into the others'.
func (s *stage) place(ctx context.Context) error {
	if err := makeOpen(s.t.path(generationsDir)); err != nil {
		return err
	}
	for _, p := range s.rec.Profiles {
		if err := os.MkdirAll(s.repo(p), 0o755); err != nil {
			return err
		}
	}
	s.fresh = nil
	for i := range s.rec.Packages {
		p := &s.rec.Packages[i]
		reused, err := s.reuse(ctx, p)
		if err != nil {
			return err
		}
		if !reused {
			s.fresh = append(s.fresh, i)
		}
	}
	var done int
	var mu sync.Mutex
	err := parallel(ctx, len(s.fresh), func(ctx context.Context, i int) error {
		p := s.rec.Packages[s.fresh[i]]
		if err := s.copy(ctx, p); err != nil {
			return fmt.Errorf("copy %s of %s: %w", p.File, p.Snapshot, err)
		}
		mu.Lock()
		defer mu.Unlock()
		done++
		s.u.Live("copied %d of %d packages", done, len(s.fresh))
		return nil
	})
	s.u.Done()
	if err == nil {
		err = s.sign(ctx)
	}
	if err != nil {
		return err
	}
	first := s.repo(s.rec.Profiles[0])
	for _, profile := range s.rec.Profiles[1:] {
		for _, p := range s.rec.Packages {
			if err := link(filepath.Join(first, p.Path), filepath.Join(s.repo(profile), p.Path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// copy copies a package out of its snapshot; never a link, as rpmsign writes into the file. What was
// copied is what the manifest says.
func (s *stage) copy(ctx context.Context, p Package) error {
	in, size, err := s.open(p)
	if err != nil {
		return err
	}
	defer in.Close()
	path := filepath.Join(s.repo(s.rec.Profiles[0]), p.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), &interruptible{ctx, in})
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != p.SHA256 || n != size {
		return &rottenError{p.Snapshot, fmt.Errorf("it is not what the manifest says: its sha256 is %s, and not %s; ovzpatch store verify %s tells more", sum, p.SHA256, p.Snapshot)}
	}
	return out.Close()
}

// rottenError is of a file that has other bytes than its snapshot's manifest says, which is known only when all are read.
type rottenError struct {
	ref datastore.Ref
	err error
}

func (e *rottenError) Error() string { return e.err.Error() }

// interruptible is a reader that ends with its context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (r *interruptible) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(b)
}

// link makes a hard link, and the directory that it is in.
func link(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Link(from, to)
}

// together calls all functions as parallel does.
func together(ctx context.Context, steps ...func(context.Context) error) error {
	return parallel(ctx, len(steps), func(ctx context.Context, i int) error { return steps[i](ctx) })
}

// parallel calls f for 0 to n-1 on all processors. The first error ends the others.
func parallel(ctx context.Context, n int, f func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
