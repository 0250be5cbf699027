// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// tree is the archive while it is built: records by path, without the leading slash.
type tree struct {
	records map[string]cpio.Record
	open    []io.Closer
}

func (t *tree) close() {
	for _, c := range t.open {
		c.Close()
	}
}

func (t *tree) put(r cpio.Record) {
	if t.records == nil {
		t.records = map[string]cpio.Record{}
	}
	t.records[r.Name] = r
}

// addBase adds u-root's archive, and makes each of its commands reachable in /bin too, where
// scripts look for them.
func (t *tree) addBase(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read base archive (`make` builds it): %w", err)
	}
	t.open = append(t.open, f)
	records, err := readArchive(f)
	if err != nil {
		return fmt.Errorf("read base archive %s: %w", name, err)
	}
	for _, r := range records {
		r.Name = cpio.Normalize(r.Name)
		if r.Name == "." {
			continue
		}
		t.put(r)
	}
	for p := range maps.Clone(t.records) {
		dir, command := path.Split(p)
		link := "bin/" + command
		if _, taken := t.records[link]; dir == "bbin/" && command != "bb" && !taken {
			t.put(cpio.Symlink(link, "../"+p))
		}
	}
	return nil
}

// readArchive reads a newc archive up to its trailer. u-root's own loop accepts an archive that
// was cut short.
func readArchive(f io.ReaderAt) ([]cpio.Record, error) {
	r := cpio.Newc.Reader(f)
	if skip, ok := r.(cpio.EOFReader); ok {
		r = skip.RecordReader
	}
	var records []cpio.Record
	for {
		rec, err := r.ReadRecord()
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil || rec.Name == cpio.Trailer {
			return records, err
		}
		records = append(records, rec)
	}
}

// addSkeleton adds what /init finds before it mounts anything. The device nodes are for kernels
// without devtmpfs.
func (t *tree) addSkeleton() {
	for _, d := range []string{"dev", "etc", "mnt", "proc", "root", "run", "sys"} {
		t.put(cpio.Directory(d, 0o755))
	}
	t.put(cpio.Directory("tmp", 0o1777))
	for _, d := range []struct {
		name         string
		perm         uint64
		major, minor uint64
	}{
		{"console", 0o600, 5, 1},
		{"full", 0o666, 1, 7},
		{"kmsg", 0o644, 1, 11},
		{"null", 0o666, 1, 3},
		{"random", 0o666, 1, 8},
		{"tty", 0o666, 5, 0},
		{"ttyS0", 0o600, 4, 64},
		{"ttyS1", 0o600, 4, 65},
		{"urandom", 0o666, 1, 9},
		{"zero", 0o666, 1, 5},
	} {
		t.put(cpio.CharDev("dev/"+d.name, d.perm, d.major, d.minor))
	}
}

// addContent puts a file at an absolute path of the guest.
func (t *tree) addContent(name string, c Content) error {
	if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
		return fmt.Errorf("add %q: this is not a clean absolute path in the guest", name)
	}
	info := cpio.Info{Name: strings.TrimPrefix(name, "/"), Mode: cpio.S_IFREG | 0o644}
	if c.Executable {
		info.Mode |= 0o111
	}
	data := c.Data
	if c.Path != "" {
		var err error
		if data, err = os.ReadFile(c.Path); err != nil {
			return fmt.Errorf("add %s: %w", name, err)
		}
	}
	t.put(cpio.StaticRecord(data, info))
	return nil
}

// write writes the archive: parents before children, and nothing that depends on this machine.
func (t *tree) write(w io.Writer) error {
	if err := t.addParents(); err != nil {
		return err
	}
	out := cpio.Newc.Writer(w)
	for i, name := range slices.Sorted(maps.Keys(t.records)) {
		r := cpio.MakeReproducible(t.records[name])
		// Hard links would need their original inode numbers; u-root makes none.
		if r.Mode&cpio.S_IFMT == cpio.S_IFREG && r.NLink > 1 {
			return fmt.Errorf("write %s: hard links are not supported", name)
		}
		r.Ino, r.NLink = uint64(i+1), 1
		if err := out.WriteRecord(r); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return cpio.WriteTrailer(out)
}

// addParents adds missing directories: the kernel silently drops a file whose parent is missing.
func (t *tree) addParents() error {
	for p := range maps.Clone(t.records) {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			r, ok := t.records[dir]
			if !ok {
				t.put(cpio.Directory(dir, 0o755))
			} else if r.Mode&cpio.S_IFMT != cpio.S_IFDIR {
				return fmt.Errorf("add /%s: /%s is not a directory", p, dir)
			}
		}
	}
	return nil
}
