// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"ovzpatch/internal/plainfile"
)

// outcome is what %prep leaves in the build directory. Names and contents are without the
// release's mark: what follows the release, as EXTRAVERSION may, is the same in both. Names
// are below what the spec knows as its build directory; what is beside that is "../NAME".
type outcome struct {
	files map[string]fingerprint
	kept  map[string][]byte // the files that the patch changes, in whatever directory
	twins map[string][]byte // those into which it would go perhaps, without it
	known map[string]entry  // by name in the build directory, with the mark
}

// entry is a file that was read, and by what it is known again.
type entry struct {
	stamp      stamp
	print      fingerprint
	kept, twin bool
	content    []byte // where it is one of these
}

// stamp changes with every change of a file.
type stamp struct {
	device, inode uint64
	size          int64
	mode          uint32
	changed       syscall.Timespec
}

func stampOf(i fs.FileInfo) stamp {
	s, ok := i.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{}
	}
	return stamp{uint64(s.Dev), s.Ino, s.Size, s.Mode, s.Ctim}
}

type fingerprint struct {
	mode fs.FileMode // with the type
	sum  [sha256.Size]byte
}

// bookkeeping are directories of programs that note what was applied. Nothing in them is
// compiled, and they hold times.
var bookkeeping = map[string]bool{".git": true, ".hg": true, ".bzr": true, ".pc": true}

// largeFile is one that is not looked into for the mark.
const largeFile = 64 << 20

// read takes down what lies in the build directory. before is what lay there before, if that
// is known: what has not changed since is not read again.
func (p *proof) read(ctx context.Context, before *outcome) (*outcome, error) {
	t := &outcome{files: map[string]fingerprint{}, kept: map[string][]byte{}, twins: map[string][]byte{}, known: map[string]entry{}}
	err := filepath.WalkDir(p.builds(), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case bookkeeping[d.Name()] && d.IsDir():
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		name, err := filepath.Rel(p.build(), path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		key := string(p.unmarked([]byte(name)))
		if _, taken := t.files[key]; taken {
			key = name
		}
		e, ok := entry{}, false
		if before != nil {
			e, ok = before.known[name]
		}
		if !ok || e.stamp != stampOf(info) || e.stamp == (stamp{}) {
			if e, err = p.entry(path, key, info); err != nil {
				return err
			}
		}
		t.known[name] = e
		if e.print == (fingerprint{}) {
			return nil
		}
		t.files[key] = e.print
		if e.kept {
			t.kept[key] = e.content
		}
		if e.twin {
			t.twins[key] = e.content
		}
		return nil
	})
	return t, err
}

// entry reads a file. One without a fingerprint is a copy of our patch, as quilt makes it.
func (p *proof) entry(path, key string, info fs.FileInfo) (entry, error) {
	e := entry{stamp: stampOf(info)}
	content := []byte(nil)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return e, err
		}
		content = []byte(target)
	case info.Mode().IsRegular() && info.Size() > largeFile:
		sum, err := digest(path)
		e.print = fingerprint{info.Mode(), sum}
		return e, err
	case info.Mode().IsRegular():
		var err error
		if content, err = plainfile.Read(path); err != nil {
			return e, err
		}
	}
	if filepath.Base(path) == p.PatchFile && bytes.Equal(content, p.made.Texts[p.PatchFile]) {
		return e, nil
	}
	if info.Mode().IsRegular() {
		_, e.kept = p.inTree(key)
		e.twin = p.isTwin(key, content)
	}
	if e.kept || e.twin {
		e.content = content
	}
	e.print = fingerprint{info.Mode(), sha256.Sum256(p.unmarked(content))}
	return e, nil
}

func digest(path string) (sum [sha256.Size]byte, err error) {
	f, err := plainfile.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [sha256.Size]byte(h.Sum(nil)), err
}
