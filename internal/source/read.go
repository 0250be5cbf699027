// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/plainfile"
)

// maxFile is the largest file of a source that is read into memory, in bytes.
const maxFile = 16 << 20

// ErrTruncated means that a tarball is incomplete.
var ErrTruncated = errors.New("the archive is cut short or damaged; get it again")

// File is one file of a source.
type File struct {
	Data []byte
	Mode fs.FileMode
}

// Files are some files of a source, by their path below its top directory.
type Files struct {
	Top   string // the one top directory of a tarball, "" for a tree
	Files map[string]File
}

// ReadFiles reads the files named in want, which are paths below the top directory. The result
// lacks files that do not exist. ReadFiles also returns files named in passing, where "dir/**.h"
// means all files below dir whose names end in .h, and "dir/*.h" those in dir itself. It reads a
// tarball to its end, and refuses one of which it cannot tell what tar would unpack. A source RPM
// must be unpacked first.
func (s *Source) ReadFiles(ctx context.Context, want []string, passing ...string) (*Files, error) {
	if s.Kind == Tree {
		return s.readTree(slices.Concat(want, passing))
	}
	r, err := s.content()
	if err != nil {
		return nil, fmt.Errorf("read source: %w", err)
	}
	files, err := readTarball(ctx, r, want, passing, false)
	if err != nil {
		return nil, fmt.Errorf("read source %s: %w", s.Path, err)
	}
	return files, nil
}

// matches reports whether a pattern of ReadFiles matches a file.
func matches(pattern, name string) bool {
	if dir, suffix, deep := strings.Cut(pattern, "**"); deep {
		return strings.HasPrefix(name, dir) && strings.HasSuffix(name, suffix)
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// expand replaces patterns by the files of a tree that they match. It does not follow links, and
// an unreadable directory has no files.
func expand(tree fs.FS, patterns []string) []string {
	var names []string
	for _, p := range patterns {
		if !strings.Contains(p, "*") {
			names = append(names, p)
			continue
		}
		top, _, _ := strings.Cut(p, "*")
		fs.WalkDir(tree, path.Clean(top), func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && !strings.Contains(p, "**") && name != path.Clean(top) {
				return fs.SkipDir
			}
			if err == nil && d.Type().IsRegular() && matches(p, name) {
				names = append(names, name)
			}
			return nil
		})
	}
	return names
}

func (s *Source) readTree(want []string) (*Files, error) {
	root, err := os.OpenRoot(s.Path)
	if err != nil {
		return nil, fmt.Errorf("read source: %w", err)
	}
	defer root.Close()
	got := &Files{Files: map[string]File{}}
	for _, name := range expand(root.FS(), want) {
		f, err := plainfile.OpenIn(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read source %s: %w", s.Path, err)
		}
		st, err := f.Stat()
		var data []byte
		if err == nil {
			data, err = readAll(f, name)
		}
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("read source %s: %w", s.Path, err)
		}
		got.Files[name] = File{Data: data, Mode: st.Mode().Perm()}
	}
	return got, nil
}

// damaged turns a decompressor's or tar's error about a bad archive into ErrTruncated, but leaves
// the error of a cancelled read.
func damaged(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w (%v)", ErrTruncated, err)
}

func readAll(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = job.BadRequest(fmt.Errorf("%s is larger than %d MiB, as no such file of a kernel is", name, maxFile>>20))
	}
	return data, err
}
