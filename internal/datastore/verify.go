// SPDX-License-Identifier: GPL-2.0-only

package datastore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"
)

// VerifyResult is what verifying one snapshot gave. Err tells that it could not be
// verified or marked; what is wrong with its files is in Verification.
type VerifyResult struct {
	Snapshot     Ref
	Verification Verification
	Err          error
}

// Progress tells how far verifying is, in bytes.
type Progress struct{ Done, Total int64 }

// Verify reads every byte of the snapshots, on all processors, compares it with its
// digest, and marks each snapshot with the outcome. progress may be nil; it is called
// by one goroutine at a time. Snapshots that are gone by now are left out.
func (s *Store) Verify(ctx context.Context, refs []Ref, progress func(Progress)) ([]VerifyResult, error) {
	v := &verifier{store: s, slots: make(chan struct{}, runtime.GOMAXPROCS(0)), progress: progress}
	entries, err := s.List(ctx, refs)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		v.at.Total += e.Size
	}
	results := make([]VerifyResult, len(entries))
	// One snapshot more than there are processors, so that none idles while the last
	// file of a snapshot is read.
	snapshots := make(chan struct{}, cap(v.slots)+1)
	var wg sync.WaitGroup
	for i, e := range entries {
		snapshots <- struct{}{}
		wg.Go(func() {
			defer func() { <-snapshots }()
			got, err := v.snapshot(ctx, e.Snapshot)
			if err != nil {
				err = fmt.Errorf("verify snapshot %s: %w", e.Snapshot, err)
			}
			results[i] = VerifyResult{e.Snapshot, got, err}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("verify: %w", context.Cause(ctx))
	}
	var found []VerifyResult
	for _, r := range results {
		if !errors.Is(r.Err, ErrNotFound) {
			found = append(found, r)
		}
	}
	return found, nil
}

type verifier struct {
	store *Store
	slots chan struct{} // one for each file that is read at the same time

	mu       sync.Mutex
	at       Progress
	progress func(Progress)
}

func (v *verifier) read(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at.Done += int64(n)
	if v.progress != nil {
		v.progress(v.at)
	}
}

func (v *verifier) snapshot(ctx context.Context, ref Ref) (got Verification, err error) {
	lock, err := v.store.lockToRead(ctx, ref)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	got.Time = time.Now().UTC().Truncate(time.Second)
	m, err := readManifest(v.store.path(ref.dir(), manifestFile), ref)
	if err != nil {
		// Nothing to compare with, and nowhere to write it down.
		got.Problems = []Problem{{manifestFile, err.Error()}}
		return got, nil
	}
	problems := make([]string, len(m.Files))
	var wg sync.WaitGroup
	for i, f := range m.Files {
		v.slots <- struct{}{}
		wg.Go(func() {
			problems[i] = v.file(ctx, v.store.path(ref.dir(), f.Name), f)
			<-v.slots
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return got, context.Cause(ctx)
	}
	listed := map[string]bool{manifestFile: true}
	for i, f := range m.Files {
		listed[f.Name] = true
		if problems[i] != "" {
			got.Problems = append(got.Problems, Problem{f.Name, problems[i]})
		}
	}
	entries, err := os.ReadDir(v.store.path(ref.dir()))
	if err != nil {
		return got, err
	}
	for _, e := range entries {
		if !listed[e.Name()] {
			got.Problems = append(got.Problems, Problem{e.Name(), "it is not in the manifest"})
		}
	}
	got.OK = len(got.Problems) == 0
	return got, v.store.rewrite(ctx, ref, func(m *Manifest) error {
		m.Verification = &got
		return nil
	})
}

// file says what is wrong with a file, "" when nothing is.
func (v *verifier) file(ctx context.Context, path string, want File) string {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it is missing"
	case err != nil:
		return err.Error()
	case !st.Mode().IsRegular():
		return "it is no regular file"
	}
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	sum, size, err := copyDigest(ctx, io.Discard, f, v.read)
	switch {
	case err != nil:
		return err.Error()
	case size != want.Size:
		return fmt.Sprintf("it has %d bytes, the manifest says %d", size, want.Size)
	case sum != want.SHA256:
		return fmt.Sprintf("its sha256 is %s, the manifest says %s", sum, want.SHA256)
	}
	return ""
}
