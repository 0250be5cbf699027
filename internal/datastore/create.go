// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/runlock"
)

// sharedTemp is the temporary name of a link; no file of a snapshot starts with a dot.
const sharedTemp = ".shared"

// Writer makes one snapshot. Nobody sees it before Commit, which is also when its group
// is given free for others. It is for one goroutine.
type Writer struct {
	// Manifest is the caller's to fill in before Commit, but for Snapshot, Finished and Files.
	Manifest Manifest

	store    *Store
	ref      Ref
	group    *runlock.Exclusive
	snapshot *runlock.Exclusive
	files    []File
	done     bool
}

// Create begins a snapshot of the group, at a time that is cut to the second. Until
// Commit or Abort the group is locked: a second writer gets ErrLocked at once.
func (s *Store) Create(ctx context.Context, g Group, at time.Time) (*Writer, error) {
	ref := g.At(at)
	w, err := s.create(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("create snapshot %s: %w", ref, err)
	}
	return w, nil
}

// nowWait is how long CreateNow waits. A kernel's packages are copied in seconds.
const nowWait = time.Minute

// CreateNow begins a snapshot of the present second, for a caller to whom the time is only a
// name: it waits for the next second where this one has a snapshot, and up to a minute for
// another writer of the group.
func (s *Store) CreateNow(ctx context.Context, g Group) (*Writer, error) {
	for until := time.Now().Add(nowWait); ; {
		w, err := s.Create(ctx, g, time.Now())
		if !errors.Is(err, ErrExists) && !errors.Is(err, ErrLocked) || time.Now().After(until) {
			return w, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Store) create(ctx context.Context, ref Ref) (*Writer, error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	if err := s.clearLeftovers(ctx); err != nil {
		return nil, err
	}
	group, err := s.newGroup(ctx, ref.Group)
	if err != nil {
		return nil, err
	}
	w := &Writer{store: s, ref: ref, group: group}
	var there bool
	if there, err = s.present(ref); there {
		err = ErrExists
	} else if err == nil {
		err = w.begin(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, w.release())
	}
	return w, nil
}

// newGroup locks a group that may not be there yet. Where directories are locked there
// must be one, and it may be tidied away before it is locked.
func (s *Store) newGroup(ctx context.Context, g Group) (*runlock.Exclusive, error) {
	for {
		if s.locks.Old() {
			if err := s.makeDirs(g.dir()); err != nil {
				return nil, err
			}
		}
		lock, err := s.locks.Group(ctx, s.lockGroup(g))
		if !errors.Is(err, fs.ErrNotExist) || !s.locks.Old() {
			return lock, err
		}
	}
}

// begin locks the snapshot and makes its directory, empty.
func (w *Writer) begin(ctx context.Context) error {
	dir := w.dir()
	for {
		// Where directories are locked it must be there first, and may be cleared away as
		// a leftover before it is locked.
		if w.store.locks.Old() {
			if err := w.store.makeDirs(dir); err != nil {
				return err
			}
		}
		lock, err := w.store.locks.Snapshot(ctx, w.store.lockName(w.ref, w.store.path(dir)))
		if err == nil {
			w.snapshot = lock
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || !w.store.locks.Old() {
			return err
		}
	}
	// What a killed program left of a snapshot of this name.
	for _, left := range []string{dir, w.ref.dir()} {
		if err := w.store.removeAll(left); err != nil {
			return err
		}
	}
	return w.store.makeDirs(dir)
}

// dir is where the snapshot is written, relative to the store.
func (w *Writer) dir() string { return filepath.Join(newDir, w.ref.dir()) }

// Ref is the snapshot that is being made.
func (w *Writer) Ref() Ref { return w.ref }

// AddFile stores what r has to its end under that name, and returns its size and digest.
func (w *Writer) AddFile(ctx context.Context, name string, r io.Reader) (File, error) {
	f, err := w.add(ctx, name, r)
	if err != nil {
		return f, fmt.Errorf("add %s to snapshot %s: %w", name, w.ref, w.taken(err))
	}
	return f, nil
}

// taken says what it means when something that is being written is not there.
func (w *Writer) taken(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: it was removed while it was written, by a program that does not heed locks; make the snapshot again", err)
	}
	return err
}

// openPlain opens a file outside of the store: through links as one likes, but nothing that
// has no end or waits for somebody.
func openPlain(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s: it is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// AddPath stores the file at path under its own name.
func (w *Writer) AddPath(ctx context.Context, path string) (File, error) {
	return w.AddPathAs(ctx, path, filepath.Base(path))
}

// AddPathAs stores the file at path under another name.
func (w *Writer) AddPathAs(ctx context.Context, path, name string) (File, error) {
	f, err := openPlain(path)
	if err != nil {
		return File{}, fmt.Errorf("add to snapshot %s: %w", w.ref, err)
	}
	defer f.Close()
	return w.AddFile(ctx, name, f)
}

func (w *Writer) add(ctx context.Context, name string, r io.Reader) (File, error) {
	if err := checkFileName(name); err != nil {
		return File{}, err
	}
	path := filepath.Join(w.dir(), name)
	out, err := w.store.createFile(path, fileMode)
	if err != nil {
		return File{}, err
	}
	file := File{Name: name}
	file.SHA256, file.Size, err = copyDigest(ctx, out, r, nil)
	if err == nil {
		// Finished files are linked to each other, so a write into one would spoil many.
		err = out.Chmod(fileMode)
	}
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = w.store.share(ctx, path, filepath.Join(w.dir(), sharedTemp), file)
	}
	if err != nil {
		return File{}, errors.Join(err, w.store.unlink(path))
	}
	w.files = append(w.files, file)
	return file, nil
}

// Commit makes the snapshot visible, whole and for good. After an error it is not there
// or, when the disk failed only at the last fsync, there and whole.
func (w *Writer) Commit(ctx context.Context) error {
	if w.done {
		return fmt.Errorf("commit snapshot %s: it was committed or aborted before", w.ref)
	}
	if err := w.commit(ctx); err != nil {
		return fmt.Errorf("commit snapshot %s: %w", w.ref, errors.Join(w.taken(err), w.Abort()))
	}
	w.done = true
	if err := w.release(); err != nil {
		return fmt.Errorf("commit snapshot %s: %w", w.ref, err)
	}
	return nil
}

func (w *Writer) commit(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.Manifest.Snapshot = w.ref
	w.Manifest.Finished = time.Now().UTC().Truncate(time.Second)
	w.Manifest.Files = w.files
	b, err := w.Manifest.encode()
	if err != nil {
		return err
	}
	dir := w.dir()
	for _, f := range w.files {
		if _, err := w.store.lstat(filepath.Join(dir, f.Name)); err != nil {
			return err
		}
	}
	if err := w.store.replaceFile(filepath.Join(dir, manifestFile+".new"), filepath.Join(dir, manifestFile), b); err != nil {
		return err
	}
	if err := w.store.move(w.dir(), w.ref.dir()); err != nil {
		return err
	}
	w.store.tidy(filepath.Dir(w.dir()))
	return nil
}

// Abort takes everything back. After a Commit it does nothing, so that it can be
// deferred.
func (w *Writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	err := w.store.removeAll(w.dir())
	for _, f := range w.files {
		err = errors.Join(err, w.store.dropObject(f.SHA256))
	}
	w.store.tidy(filepath.Dir(w.dir()))
	if err = errors.Join(err, w.release()); err != nil {
		return fmt.Errorf("abort snapshot %s: %w", w.ref, err)
	}
	return nil
}

// release releases the locks, and removes those of what does not exist.
func (w *Writer) release() error {
	var err error
	if w.snapshot != nil {
		err = w.store.releaseSnapshot(w.snapshot, w.ref)
	}
	return errors.Join(err, w.store.releaseGroup(w.group, w.ref.Group))
}
