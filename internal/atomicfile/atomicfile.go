// SPDX-License-Identifier: Apache-2.0

// Package atomicfile writes files that are there whole, and on the disk, or not at all.
package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Write creates the file at path, or replaces it, with what write writes. After an error
// the path is as it was before.
func Write(path string, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := write(tmp); err != nil {
		return err
	}
	// CreateTemp makes private files; what is written here is for everybody to read.
	if err := errors.Join(tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return rename(tmp.Name(), path)
}

// WriteBytes is Write for what is in memory.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Copy makes the file at to a copy of the file at from, which shares its blocks where the
// filesystem can do that.
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

// Move gives a finished file its place. Both names must be on one filesystem.
func Move(from, to string) error {
	if err := Sync(from); err != nil {
		return err
	}
	return rename(from, to)
}

// Sync brings a file's content, or a directory's names, to the disk.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return Sync(filepath.Dir(to))
}
