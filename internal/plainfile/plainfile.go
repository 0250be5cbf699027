// SPDX-License-Identifier: Apache-2.0

// Package plainfile reads files of directories that somebody else filled. Where a pipe is in a
// file's place, opening it waits for its writer, perhaps for ever and deaf to signals; a device may
// have no end. Both are refused. What a user named may be either (<(COMMAND)) and is not its concern.
package plainfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotPlain means that there is something else than a plain file.
var ErrNotPlain = errors.New("it is a directory, a pipe, a socket or a device, where a plain file is expected")

// Open opens a file to read it. It follows links.
func Open(path string) (*os.File, error) {
	return plain(os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0))
}

// OpenIn opens a file below root to read it.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	return plain(root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0))
}

func plain(f *os.File, err error) (*os.File, error) {
	if errors.Is(err, syscall.ENXIO) { // a socket
		return nil, fmt.Errorf("%w: %w", err, ErrNotPlain)
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: f.Name(), Err: ErrNotPlain}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Read reads a whole file. It follows links.
func Read(path string) ([]byte, error) { return all(Open(path)) }

// ReadIn reads a whole file below root.
func ReadIn(root *os.Root, name string) ([]byte, error) { return all(OpenIn(root, name)) }

func all(f *os.File, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// OpenFS opens a file of tree, which nobody changes meanwhile, to read it.
func OpenFS(tree fs.FS, name string) (fs.File, error) {
	st, err := fs.Stat(tree, name)
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: ErrNotPlain}
	}
	if err != nil {
		return nil, err
	}
	return tree.Open(name)
}

// ReadFS reads a whole file of tree, which nobody changes meanwhile.
func ReadFS(tree fs.FS, name string) ([]byte, error) {
	f, err := OpenFS(tree, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
