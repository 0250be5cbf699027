// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// VerifyResult is what verifying one snapshot gave. Err tells that it could not be
// verified or marked; what is wrong with its files is in Verification.
type VerifyResult struct {
	Snapshot     Ref
	Verification Verification
	Err          error
}

// MarshalJSON writes the result as one object, with the error's text.
func (r VerifyResult) MarshalJSON() ([]byte, error) {
	text := ""
	if r.Err != nil {
		text = r.Err.Error()
	}
	return json.Marshal(struct {
		Snapshot Ref `json:"snapshot"`
		Verification
		Error string `json:"error,omitempty"`
	}{r.Snapshot, r.Verification, text})
}

// Damaged is an error that counts the snapshots that are not known to be good; nil where there is none.
func Damaged(results []VerifyResult) error {
	damaged, failed := 0, 0
	for _, r := range results {
		if r.Err != nil {
			failed++
		}
		if len(r.Verification.Problems) > 0 {
			damaged++
		}
	}
	if damaged+failed == 0 {
		return nil
	}
	return fmt.Errorf("verify: of %d snapshots %d are damaged and %d could not be verified or marked", len(results), damaged, failed)
}

// Progress tells how far verifying is, in bytes.
type Progress struct{ Done, Total int64 }

// Verify reads every byte of the snapshots, on all processors, compares it with its
// digest, and marks each snapshot with the outcome. progress may be nil; it is called
// by one goroutine at a time. Snapshots that are gone by now are left out. Without mark nothing
// is written, so that a store that cannot be written to can be verified.
func (s *Store) Verify(ctx context.Context, refs []Ref, mark bool, progress func(Progress)) ([]VerifyResult, error) {
	v := &verifier{store: s, mark: mark, slots: make(chan struct{}, runtime.GOMAXPROCS(0)), progress: progress}
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
	found := []VerifyResult{}
	for _, r := range results {
		if !errors.Is(r.Err, ErrNotFound) {
			found = append(found, r)
		}
	}
	return found, nil
}

type verifier struct {
	store *Store
	mark  bool
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
	s := v.store
	lock, err := s.lockToRead(ctx, ref)
	if err == nil {
		defer func() { err = errors.Join(err, lock.Unlock()) }()
	} else if v.mark || !noLocks(err) {
		if errors.As(err, new(kindError)) {
			got.Problems = []Problem{{".", err.Error()}}
			return got, nil
		}
		return got, err
	}
	got.Time = time.Now().UTC().Truncate(time.Second)
	// All is read from the open directory: where there is no lock, it may be renamed.
	dir, err := s.openDir(ref.dir())
	if errors.Is(err, fs.ErrNotExist) {
		return got, ErrNotFound
	}
	if err != nil {
		return got, err
	}
	defer unix.Close(dir)
	m, _, err := s.lookIn(dir, ref)
	if errors.Is(err, ErrNotFound) {
		return got, err
	}
	if err != nil {
		// Nothing to compare with, and nowhere to write it down.
		got.Problems = []Problem{{manifestFile, err.Error()}}
		return got, nil
	}
	got.Problems = v.files(ctx, dir, m.Files)
	if ctx.Err() != nil {
		return got, context.Cause(ctx)
	}
	more, err := s.unlisted(ref, m)
	if err != nil {
		return got, err
	}
	got.Problems = append(got.Problems, more...)
	if s.removedMeanwhile(dir, ref) {
		return got, ErrNotFound
	}
	got.OK = len(got.Problems) == 0
	if !v.mark {
		return got, nil
	}
	return got, s.rewrite(ctx, ref, func(m *Manifest) error {
		m.Verification = &got
		return nil
	})
}

// files says what is wrong with the files of a manifest.
func (v *verifier) files(ctx context.Context, dir int, files []File) (problems []Problem) {
	wrong := make([]string, len(files))
	var wg sync.WaitGroup
	for i, f := range files {
		v.slots <- struct{}{}
		wg.Go(func() {
			wrong[i] = v.file(ctx, dir, f)
			<-v.slots
		})
	}
	wg.Wait()
	for i, f := range files {
		if wrong[i] != "" {
			problems = append(problems, Problem{f.Name, wrong[i]})
		}
	}
	return problems
}

// unlisted are files of a snapshot that its manifest does not name.
func (s *Store) unlisted(ref Ref, m *Manifest) (problems []Problem, err error) {
	entries, err := s.readDir(ref.dir())
	for _, e := range entries {
		listed := e.Name() == manifestFile || slices.ContainsFunc(m.Files, func(f File) bool { return f.Name == e.Name() })
		if !listed {
			problems = append(problems, Problem{e.Name(), "it is not in the manifest"})
		}
	}
	return problems, err
}

// file says what is wrong with a file, "" when nothing is.
func (v *verifier) file(ctx context.Context, dir int, want File) string {
	fd, _, err := openRegular(dir, want.Name)
	if err == unix.ENOENT {
		return "it is missing"
	}
	if err != nil {
		return err.Error()
	}
	f := os.NewFile(uintptr(fd), want.Name)
	defer f.Close()
	sum, size, err := copyDigest(ctx, io.Discard, f, v.read)
	switch {
	case err != nil:
		return err.Error()
	case size != want.Size:
		return wrongSize(size, want.Size)
	case sum != want.SHA256:
		return fmt.Sprintf("its sha256 is %s, the manifest says %s", sum, want.SHA256)
	}
	return ""
}
