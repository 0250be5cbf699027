// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"ovzpatch/internal/atomicfile"
)

// Extract unpacks the files for which want returns true, or all if want is nil, below dir, which
// it makes if it is missing. want gets names as in Entry.
//
// It is all or nothing: it unpacks files into a new directory within dir, and moves them to their
// places when every digest has turned out right. An existing file is not replaced; it is an
// error. Existing directories are used. Extract never writes through a symbolic link. It makes
// links as they are in the package, wherever they point, so be careful when you follow one
// afterwards. It does not set owners, leaves set-id bits out of modes, always gives the owner
// access, and cannot unpack devices.
func (f *File) Extract(ctx context.Context, dir string, want func(name string) bool) (err error) {
	all := want == nil
	if all {
		want = func(string) bool { return true }
	}
	made := !exists(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("unpack %s: %w", f.path, err)
	}
	stage, err := os.MkdirTemp(dir, ".unpack-*")
	defer func() {
		if err != nil {
			if made {
				os.Remove(dir)
			}
			err = fmt.Errorf("unpack %s: %w", f.path, atomicfile.Named(err, stage, dir))
		}
	}()
	if err != nil {
		return atomicfile.NotMade(err, dir)
	}
	defer os.RemoveAll(stage)
	x := &extraction{f: f, wanted: make([]bool, len(f.Files)), links: f.hardLinks()}
	for i, e := range f.Files {
		x.wanted[i] = want(e.Name)
	}
	if err := x.run(ctx, stage); err != nil {
		return err
	}
	if err := merge(stage, dir); err != nil {
		return err
	}
	f.whole = f.whole || all
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// extraction is one run of Extract.
type extraction struct {
	f      *File
	wanted []bool
	links  map[fileID][]int
	root   *os.Root
	// parent is the open directory of the last file: files of one directory come one after the
	// other, and opening all directories above each costs more than writing.
	parent     *os.Root
	parentPath string
}

func (x *extraction) run(ctx context.Context, stage string) (err error) {
	if x.root, err = os.OpenRoot(stage); err != nil {
		return err
	}
	defer x.root.Close()
	x.parent, x.parentPath = x.root, "."
	defer func() {
		if x.parent != x.root {
			x.parent.Close()
		}
	}()
	for i := range x.f.Files {
		if x.wanted[i] {
			if err := x.check(&x.f.Files[i]); err != nil {
				return err
			}
		}
	}
	if err := x.f.walk(ctx, x.visit); err != nil {
		return err
	}
	return x.finish()
}

func (x *extraction) check(e *Entry) error {
	switch e.Mode.Type() {
	case 0, fs.ModeDir, fs.ModeSymlink:
		return nil
	}
	return fmt.Errorf("file %q is a %s, which only root can unpack: leave it out", e.Name, kindOf(e.Mode))
}

// visit writes one plain file. Directories and links come last: without links, no path can lead
// through one.
func (x *extraction) visit(i int, content io.Reader) error {
	e := &x.f.Files[i]
	if content == nil || !e.Mode.IsRegular() {
		return nil
	}
	set := x.links[fileID{e.device, e.inode}]
	if len(set) == 0 {
		set = []int{i}
	}
	first := -1
	for _, n := range set {
		if !x.wanted[n] {
			continue
		}
		if first < 0 {
			first = n
			// The digest of the content is that of the member that carries it.
			if err := x.write(&x.f.Files[n], e, content); err != nil {
				return err
			}
			continue
		}
		if err := x.link(&x.f.Files[first], &x.f.Files[n]); err != nil {
			return err
		}
	}
	return nil
}

// in returns the open directory that holds path, and the name in it.
func (x *extraction) in(name string) (*os.Root, string, error) {
	dir, base := path.Split(name)
	dir = path.Clean("./" + dir)
	if dir == x.parentPath {
		return x.parent, base, nil
	}
	if err := x.root.MkdirAll(dir, 0o755); err != nil {
		return nil, "", err
	}
	parent, err := x.root.OpenRoot(dir)
	if err != nil {
		return nil, "", err
	}
	if x.parent != x.root {
		x.parent.Close()
	}
	x.parent, x.parentPath = parent, dir
	return parent, base, nil
}

func (x *extraction) write(e, source *Entry, content io.Reader) error {
	parent, base, err := x.in(e.path)
	if err != nil {
		return err
	}
	w, err := parent.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, e.Mode.Perm()|0o400)
	if err != nil {
		return err
	}
	err = x.f.copyContent(w, source, content)
	if err == nil {
		// The umask took effect when the file was made.
		err = w.Chmod(e.Mode.Perm() | 0o400)
	}
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return parent.Chtimes(base, e.MTime, e.MTime)
}

func (x *extraction) link(from, to *Entry) error {
	if _, _, err := x.in(to.path); err != nil {
		return err
	}
	return x.root.Link(from.path, to.path)
}

// finish makes directories and symbolic links, and sets the attributes that writing files into a
// directory changes.
func (x *extraction) finish() error {
	for i := range x.f.Files {
		if e := &x.f.Files[i]; x.wanted[i] && e.Mode.IsDir() {
			if err := x.root.MkdirAll(e.path, 0o755); err != nil {
				return err
			}
		}
	}
	for i := range x.f.Files {
		e := &x.f.Files[i]
		if !x.wanted[i] || e.Flags&FileGhost != 0 || e.Mode.Type() != fs.ModeSymlink {
			continue
		}
		parent, base, err := x.in(e.path)
		if err != nil {
			return err
		}
		if err := parent.Symlink(e.Link, base); err != nil {
			return err
		}
	}
	// From the last to the first, because a directory comes before its content.
	for i := len(x.f.Files) - 1; i >= 0; i-- {
		e := &x.f.Files[i]
		if !x.wanted[i] || !e.Mode.IsDir() || e.path == "." {
			continue
		}
		if err := x.root.Chmod(e.path, e.Mode.Perm()|0o700); err != nil {
			return err
		}
		if err := x.root.Chtimes(e.path, e.MTime, e.MTime); err != nil {
			return err
		}
	}
	return nil
}

// merge moves the content of stage to dir, and uses existing directories. It checks everything
// before it moves anything, so that a file in the way leaves everything as it was.
func merge(stage, dir string) error {
	var moves [][2]string
	var plan func(from, to string) error
	plan = func(from, to string) error {
		list, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		for _, e := range list {
			src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
			there, err := os.Lstat(dst)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				moves = append(moves, [2]string{src, dst})
			case err != nil:
				return err
			case there.IsDir() && e.IsDir():
				if err := plan(src, dst); err != nil {
					return err
				}
			default:
				return fmt.Errorf("%s already exists: unpack into an empty directory", dst)
			}
		}
		return nil
	}
	if err := plan(stage, dir); err != nil {
		return err
	}
	for _, m := range moves {
		if err := os.Rename(m[0], m[1]); err != nil {
			return err
		}
	}
	return nil
}
