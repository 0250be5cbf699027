// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// WriteOverlay writes an archive that lays the directory tree dir over a guest's root, when it
// follows the guest's own archive (Join). It leaves out the paths, relative to dir, for which
// skip returns true, directories with their content. It leaves out devices and the like, too: the
// guest has its own. Links stay as they are. But if the guest has a directory at a link's place,
// such as /bin, a link to a directory becomes links to what is in that directory.
func WriteOverlay(w io.Writer, dir string, skip func(name string) bool, files map[string]Content) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write overlay: %w", err)
	}
	defer root.Close()
	var t tree
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if skip(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return t.addOverlay(root, name, d)
	})
	for name, content := range files {
		err = errors.Join(err, t.addContent(name, content))
	}
	if err == nil {
		err = t.write(w)
	}
	if err != nil {
		return fmt.Errorf("write overlay: %w", err)
	}
	return nil
}

func (t *tree) addOverlay(root *os.Root, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	perm := uint64(info.Mode().Perm())
	switch info.Mode().Type() {
	case fs.ModeDir:
		t.put(cpio.Directory(name, perm))
	case fs.ModeSymlink:
		to, err := root.Readlink(name)
		if err != nil {
			return err
		}
		if name == "bin" {
			return t.addLinks(root, name, to)
		}
		t.put(cpio.Symlink(name, to))
	case 0:
		t.put(cpio.Record{
			Info:     cpio.Info{Name: name, Mode: cpio.S_IFREG | perm, FileSize: uint64(info.Size())},
			ReaderAt: closedFile(filepath.Join(root.Name(), name)),
		})
	}
	return nil
}

// addLinks makes the content of the directory that name leads to reachable below name.
func (t *tree) addLinks(root *os.Root, name, to string) error {
	target := path.Join(path.Dir(name), to)
	if path.IsAbs(to) {
		target = strings.TrimPrefix(path.Clean(to), "/")
	}
	entries, err := fs.ReadDir(root.FS(), target)
	if err != nil {
		return fmt.Errorf("follow /%s: %w", name, err)
	}
	for _, e := range entries {
		t.put(cpio.Symlink(path.Join(name, e.Name()), "/"+path.Join(target, e.Name())))
	}
	return nil
}

// closedFile is a file that is open only while it is read: a tree may have more files than a
// process may have open.
type closedFile string

func (name closedFile) ReadAt(p []byte, off int64) (int, error) {
	f, err := os.Open(string(name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(p, off)
}

// Join writes archives one after the other into the file name. The kernel reads them all, and the
// later one wins.
func Join(name string, archives ...string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("join archives: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("join archives: %w", err)
		}
	}()
	for _, a := range archives {
		if err := appendArchive(f, a); err != nil {
			return err
		}
	}
	return nil
}

// appendArchive appends a whole archive. The kernel wants each archive to start at a multiple of
// four bytes, and skips zeros between them.
func appendArchive(f *os.File, name string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := readArchive(in); err != nil {
		return fmt.Errorf("append %s: not a newc archive: %w", name, err)
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := f.Write(make([]byte, -end&3)); err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return err
}
