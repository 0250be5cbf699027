// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"ovzpatch/internal/plainfile"
)

// ErrBusy says that another program is working on the tree.
var ErrBusy = errors.New("another ovzpatch is working on this tree; wait until it is done")

// Tree is an unpacked source tree. It never reads or writes anything outside its directory,
// whatever names and symbolic links say.
type Tree struct {
	root *os.Root
	// lock holds a flock(2) of the directory itself: it leaves no file behind, and the
	// kernel drops it with the process.
	lock      *os.File
	recovered Recovery
}

// OpenTree opens the tree at dir. If an earlier Apply was killed in the middle, it first restores
// every file. It fails with ErrBusy while another program applies a patch there; any number of
// programs may read the tree.
func OpenTree(dir string) (*Tree, error) {
	// OpenRoot would wait for a pipe's writer for ever.
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return nil, fmt.Errorf("open tree: %w", &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR})
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open tree: %w", err)
	}
	lock, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open tree %s: %w", dir, err)
	}
	t := &Tree{root: root, lock: lock}
	if err := t.open(); err != nil {
		t.Close()
		return nil, fmt.Errorf("open tree %s: %w", dir, err)
	}
	return t, nil
}

func (t *Tree) open() error {
	if err := t.flock(syscall.LOCK_SH); err != nil {
		return err
	}
	if _, err := t.root.Lstat(journalDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := t.flock(syscall.LOCK_EX); err != nil {
		return err
	}
	var err error
	if t.recovered, err = recoverTree(t.root); err != nil {
		return fmt.Errorf("undo an interrupted run: %w", err)
	}
	return t.flock(syscall.LOCK_SH)
}

// flock takes the lock, or changes its kind, without waiting.
func (t *Tree) flock(how int) error {
	for {
		switch err := syscall.Flock(int(t.lock.Fd()), how|syscall.LOCK_NB); err {
		case nil:
			return nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return ErrBusy
		default:
			return fmt.Errorf("lock: %w", err)
		}
	}
}

// Recovered returns what OpenTree had to do about a run that was stopped.
func (t *Tree) Recovered() Recovery { return t.recovered }

// Close releases the tree.
func (t *Tree) Close() error { return errors.Join(t.lock.Close(), t.root.Close()) }

// File returns a file of the tree; File is a Files. A symbolic link's content is its target.
func (t *Tree) File(name string) (Content, error) {
	info, err := t.lstat(name)
	if err != nil {
		return Content{}, err
	}
	c := Content{Mode: info.Mode() & (fs.ModeType | fs.ModePerm)}
	switch {
	case c.Mode.IsRegular():
		c.Data, err = plainfile.ReadIn(t.root, name)
	case c.Mode&fs.ModeSymlink != 0:
		var target string
		target, err = t.root.Readlink(name)
		c.Data = []byte(target)
	}
	return c, err
}

// lstat is Lstat, except that a path below a file does not exist.
func (t *Tree) lstat(name string) (fs.FileInfo, error) {
	info, err := t.root.Lstat(name)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fs.ErrNotExist
	}
	return info, err
}
