// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// goneMark is what a manifest is called whose snapshot is being removed where it is, as on
// a full disk, where it cannot be moved away first. Who finds it sees no snapshot.
const goneMark = ".gone"

// going tells whether a snapshot's directory is one that is being removed where it is. The
// mark goes last, and the empty directory after it.
func (s *Store) going(ref Ref) bool {
	if s.exists(filepath.Join(ref.dir(), goneMark)) {
		return true
	}
	if s.exists(filepath.Join(ref.dir(), manifestFile)) {
		return false
	}
	entries, err := s.readDir(ref.dir())
	return err == nil && len(entries) == 0
}

// look is the one reader of snapshots, for lists, for show, verify and prune alike. It
// returns the manifest and what is wrong with the files as far as can be told without reading
// them; an error when there is no snapshot, no manifest to rely on, or a file that cannot be looked at.
func (s *Store) look(ref Ref) (*Manifest, []Problem, error) {
	if err := ref.check(); err != nil {
		return nil, nil, err
	}
	dir, err := s.openDir(ref.dir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, ErrNotFound
	}
	if err != nil {
		return nil, nil, err
	}
	defer unix.Close(dir)
	return s.lookIn(dir, ref)
}

// lookIn is look in the snapshot's open directory.
func (s *Store) lookIn(dir int, ref Ref) (*Manifest, []Problem, error) {
	b, err := readManifestFile(dir)
	if errors.Is(err, fs.ErrNotExist) && s.removedMeanwhile(dir, ref) {
		return nil, nil, ErrNotFound
	}
	var m *Manifest
	if err == nil {
		m, err = parseManifest(b, ref)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read manifest %s: %w", s.path(ref.dir(), manifestFile), err)
	}
	var problems []Problem
	missing := false
	for _, f := range m.Files {
		var st unix.Stat_t
		err := unix.Fstatat(dir, f.Name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == nil {
			err = kind(&st, unix.S_IFREG)
		}
		switch {
		case err == unix.ENOENT:
			missing = true
			problems = append(problems, Problem{f.Name, "it is missing"})
		case errors.As(err, new(kindError)):
			problems = append(problems, Problem{f.Name, err.Error()})
		case err != nil:
			return m, problems, fmt.Errorf("look at %s: %w", s.path(ref.dir(), f.Name), err)
		case st.Size != f.Size:
			problems = append(problems, Problem{f.Name, wrongSize(st.Size, f.Size)})
		}
	}
	if missing && s.removedMeanwhile(dir, ref) {
		return nil, nil, ErrNotFound
	}
	return m, problems, nil
}

func wrongSize(is, want int64) string {
	return fmt.Sprintf("it has %d bytes, the manifest says %d", is, want)
}

// removedMeanwhile tells whether an open snapshot's directory is no more what stands for
// the snapshot: it was renamed away, or is going.
func (s *Store) removedMeanwhile(dir int, ref Ref) bool {
	var have unix.Stat_t
	if unix.Fstat(dir, &have) != nil {
		return true
	}
	now, err := s.lstat(ref.dir())
	return err != nil || now.Ino != have.Ino || now.Dev != have.Dev || s.going(ref)
}

// present tells whether there is a snapshot. Something else of its name is an error.
func (s *Store) present(ref Ref) (bool, error) {
	there, err := s.dirThere(ref.dir())
	return there && !s.going(ref), err
}

// Has tells whether there is a snapshot, whole or not.
func (s *Store) Has(ref Ref) (bool, error) {
	if err := ref.check(); err != nil {
		return false, err
	}
	st, err := s.lstat(ref.dir())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && (st.Mode&unix.S_IFMT != unix.S_IFDIR || !s.going(ref)), err
}

// readManifestFile reads an index.json, which never changes its size: a new one is a new file.
func readManifestFile(dir int) ([]byte, error) {
	fd, st, err := openRegular(dir, manifestFile)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if st.Size > maxManifest {
		return nil, fmt.Errorf("%d bytes, at most %d are possible", st.Size, maxManifest)
	}
	b := make([]byte, st.Size)
	for n := 0; n < len(b); {
		m, err := retry(func() (int, error) { return unix.Read(fd, b[n:]) })
		if err != nil {
			return nil, err
		}
		if m == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		n += m
	}
	return b, nil
}
