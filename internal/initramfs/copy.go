// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// MaxCopy is the size in bytes up to which a directory may be copied into a guest, whose memory
// holds it twice while the kernel unpacks it; maxCopied is the same of its entries.
const (
	MaxCopy   = 64 << 20
	maxCopied = 100_000
)

// WithCopy writes the archive to name with a copy of the host's directory dir at the absolute path
// at. It leaves out what is neither a file, a directory nor a symbolic link. The copy is nobody
// else's: it does not go into the cache.
func (a Archive) WithCopy(name, dir, at string) (_ Archive, err error) {
	fail := func(err error) (Archive, error) {
		return Archive{}, fmt.Errorf("copy %s into the guest: %w", dir, err)
	}
	t, err := copyOf(dir, strings.TrimPrefix(at, "/"))
	if err != nil {
		return fail(err)
	}
	from, err := os.Open(a.Path)
	if err != nil {
		return fail(err)
	}
	defer from.Close()
	to, err := os.Create(name)
	if err != nil {
		return fail(err)
	}
	defer func() {
		if cerr := to.Close(); cerr != nil && err == nil {
			_, err = fail(cerr)
		}
	}()
	n, err := io.Copy(to, from)
	if err != nil {
		return fail(err)
	}
	// The kernel unpacks one archive after the other; each begins at a multiple of four.
	if _, err := to.Write(make([]byte, (4-n%4)%4)); err != nil {
		return fail(err)
	}
	if err := t.write(to); err != nil {
		return fail(err)
	}
	st, err := to.Stat()
	if err != nil {
		return fail(err)
	}
	return Archive{Path: name, Size: st.Size()}, nil
}

// copyOf reads dir to be at a path of the guest.
func copyOf(dir, at string) (*tree, error) {
	var (
		t     tree
		total int64
	)
	// A link that is itself the name is followed: it is the directory that the user means.
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name, perm := path.Join(at, filepath.ToSlash(rel)), uint64(info.Mode().Perm())
		switch {
		case info.IsDir():
			t.put(cpio.Directory(name, perm))
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			t.put(cpio.Symlink(name, to))
		case info.Mode().IsRegular():
			if total += info.Size(); total > MaxCopy {
				return fmt.Errorf("it has more than %d MiB; share a smaller directory", MaxCopy>>20)
			}
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			t.put(cpio.StaticFile(name, string(data), perm))
		}
		if len(t.records) > maxCopied {
			return fmt.Errorf("it has more than %d entries; share a smaller directory", maxCopied)
		}
		return nil
	})
	return &t, err
}
