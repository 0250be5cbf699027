// SPDX-License-Identifier: Apache-2.0

// Package atomicfile writes files that are complete and on the disk, or not there at all.
package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Write creates or replaces the file at path with what write writes. After an error the path is
// as it was before.
func Write(path string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return NotMade(err, path)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := write(tmp); err != nil {
		return Named(err, tmp.Name(), path)
	}
	// CreateTemp makes private files; everybody may read what is written here.
	if err := errors.Join(tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return Named(err, tmp.Name(), path)
	}
	return rename(tmp.Name(), path)
}

// WriteBytes is Write for bytes in memory.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Copy copies the file from to the path to. The copy shares its blocks where the filesystem can
// do that.
func Copy(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return Write(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// Move renames a finished file to its place. Both names must be on one filesystem.
func Move(from, to string) error {
	if err := Sync(from); err != nil {
		return err
	}
	return rename(from, to)
}

// Sync writes a file's content, or a directory's names, to the disk.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return NotMade(err, to)
	}
	return Sync(filepath.Dir(to))
}
