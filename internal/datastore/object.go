// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// An object is a file under its digest, a hard link beside those in the snapshots that
// have it. It is only there to be found by the next snapshot with the same content: a
// lost one costs space, never data, so it needs neither lock nor fsync.

func (s *Store) object(sum string) string { return filepath.Join(objectsDir, sum[:2], sum) }

// share makes the file at path, which has the digest sum, one with its object. temp is a
// free name beside it.
func (s *Store) share(ctx context.Context, path, temp string, f File) error {
	object := s.object(f.SHA256)
	for tries := 0; ; tries++ {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		err := s.link(path, object)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrNotExist) && !s.exists(path):
			return err
		case errors.Is(err, fs.ErrNotExist) && tries < raceTries:
			if err := s.makeDirs(filepath.Dir(object)); err != nil {
				return err
			}
			continue
		case noLinks(err):
			return nil // a filesystem without links, or another user's file: keep our own
		case !errors.Is(err, fs.ErrExist) || tries >= raceTries:
			return err
		}
		// The bytes are at hand in our copy, so the old ones are not taken on trust: a
		// snapshot must not inherit what went bad in another.
		sum, size, err := s.digest(ctx, object)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if errors.As(err, new(kindError)) {
			return err
		}
		if err == nil && sum == f.SHA256 && size == f.Size {
			err = s.link(object, temp)
			if err == nil {
				return s.rename(temp, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if !noLinks(err) {
				return err
			}
		}
		if ctx.Err() == nil {
			if err := s.unlink(object); err != nil {
				return err
			}
		}
	}
}

// noLinks tells whether the filesystem, its limit on links or its rules on other users'
// files forbid this link.
func noLinks(err error) bool {
	return errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP)
}

// dropObject removes an object that no snapshot has any more.
func (s *Store) dropObject(sum string) error {
	object := s.object(sum)
	f, err := s.open(object)
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, new(kindError)) {
		return nil // what is no file is no object
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := links(f); err != nil || n != 1 {
		return err
	}
	if err := s.unlink(object); err != nil {
		return err
	}
	s.tidy(filepath.Dir(object))
	// A writer may have linked it into a snapshot meanwhile; then it stays to be found.
	if n, err := links(f); err != nil || n == 0 {
		return err
	}
	if err := s.makeDirs(filepath.Dir(object)); err != nil {
		return err
	}
	err = s.in("link", object, func(dir int, name string) error {
		return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), dir, name, unix.AT_SYMLINK_FOLLOW)
	})
	if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep %s: %w", s.path(object), err)
	}
	return nil
}

func links(f *os.File) (uint64, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return uint64(st.Nlink), err
}

// sweepObjects removes the objects that killed processes left.
func (s *Store) sweepObjects(ctx context.Context) error {
	return s.eachDir(objectsDir, func(prefix string) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		entries, err := s.readDir(filepath.Join(objectsDir, prefix))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if len(e.Name()) == 2*sha256.Size {
				if err := s.dropObject(e.Name()); err != nil {
					return err
				}
			}
		}
		s.tidy(filepath.Join(objectsDir, prefix))
		return nil
	})
}

var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// digest reads a file to its end.
func (s *Store) digest(ctx context.Context, rel string) (sum string, size int64, err error) {
	f, err := s.open(rel)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return copyDigest(ctx, io.Discard, f, nil)
}

// copyDigest copies r to w and returns the digest and number of the bytes; each is told of
// how many bytes came at once.
func copyDigest(ctx context.Context, w io.Writer, r io.Reader, each func(int)) (string, int64, error) {
	h := sha256.New()
	buf := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buf)
	var size int64
	for {
		if ctx.Err() != nil {
			return "", size, context.Cause(ctx)
		}
		n, err := r.Read(buf[:])
		h.Write(buf[:n])
		if _, err := w.Write(buf[:n]); err != nil {
			return "", size, err
		}
		size += int64(n)
		if each != nil {
			each(n)
		}
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), size, nil
		}
		if err != nil {
			return "", size, err
		}
	}
}
