// SPDX-License-Identifier: Apache-2.0

package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"ovzpatch/internal/compress"
	"ovzpatch/internal/job"
)

// ErrAmbiguous means that programs differ in what they unpack from a tarball.
var ErrAmbiguous = errors.New("so it is not clear what is built from it; unpack it, see that the tree is right, and name the tree")

// readTarball reads files of a compressed tarball as it streams by. It reads on after the last of
// them, as what comes later under the same name takes its place when tar unpacks. With enough it
// does not: that is for who only wants to know what a tarball is.
func readTarball(ctx context.Context, r io.Reader, want, passing []string, enough bool) (*Files, error) {
	z, _, err := compress.NewReader(ctx, r)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	a := archive{want: want, passing: passing, seen: map[string]byte{}, got: Files{Files: map[string]File{}}}
	t := tar.NewReader(reader{ctx, z})
	for !enough || !a.all() {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil && a.got.Top == "" && ctx.Err() == nil {
			return nil, fmt.Errorf("it does not start with a tar archive (%v): %w", err, ErrUnknown)
		}
		if err != nil {
			return nil, damaged(ctx, err)
		}
		name, err := a.entry(h)
		if err != nil {
			return nil, err
		}
		if name == "" {
			continue
		}
		data, err := readAll(t, h.Name)
		if errors.Is(err, job.ErrRequest) {
			return nil, err
		}
		if err != nil {
			return nil, damaged(ctx, err)
		}
		a.got.Files[name] = File{Data: data, Mode: fs.FileMode(h.Mode).Perm()}
	}
	if a.got.Top == "" {
		return nil, fmt.Errorf("an empty archive: %w", ErrUnknown)
	}
	return &a.got, a.linked()
}

// archive is what is known of a tarball while it is read.
type archive struct {
	want, passing []string
	seen          map[string]byte // the type of every entry that matters, by its path below the top
	got           Files
}

// all tells whether every wanted file was read.
func (a *archive) all() bool {
	return !slices.ContainsFunc(a.want, func(name string) bool { _, ok := a.got.Files[name]; return !ok })
}

// entry looks at the next entry. It returns its path below the top, if it is a file to be read.
func (a *archive) entry(h *tar.Header) (string, error) {
	name := path.Clean(strings.TrimLeft(h.Name, "/")) // as tar unpacks it
	top, below, _ := strings.Cut(name, "/")
	if h.Typeflag == tar.TypeXGlobalHeader || top == "." {
		return "", nil
	}
	if a.got.Top == "" {
		a.got.Top = top
	}
	if top != a.got.Top {
		return "", fmt.Errorf("the archive holds %s and %s side by side, but a kernel's has one top directory: %w", a.got.Top, top, ErrUnknown)
	}
	wanted := slices.Contains(a.want, below)
	file := wanted || slices.ContainsFunc(a.passing, func(p string) bool { return matches(p, below) })
	if !file && !a.above(below) {
		return "", nil
	}
	before, again := a.seen[below]
	if again && (before != tar.TypeDir || h.Typeflag != tar.TypeDir) {
		return "", fmt.Errorf("the archive holds %s twice, %w", name, ErrAmbiguous)
	}
	a.seen[below] = h.Typeflag
	if wanted && h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return "", fmt.Errorf("%s is a link in the archive or no plain file, %w", name, ErrAmbiguous)
	}
	if !file || h.Typeflag != tar.TypeReg {
		return "", nil
	}
	return below, nil
}

// above tells whether a wanted file, or one in passing, may lie below a name: "" is the top.
func (a *archive) above(name string) bool {
	holds := func(of string) bool { return name == "" || strings.HasPrefix(of, name+"/") }
	return slices.ContainsFunc(a.want, holds) || slices.ContainsFunc(a.passing, holds)
}

// linked refuses files that were read below what the archive holds as a link, too: tar would
// unpack them elsewhere, or not at all.
func (a *archive) linked() error {
	for name := range a.got.Files {
		for dir := name; dir != ""; {
			dir, _ = path.Split(dir)
			dir = strings.TrimSuffix(dir, "/")
			if kind, ok := a.seen[dir]; ok && kind != tar.TypeDir {
				return fmt.Errorf("the archive holds files below %s, which is not a directory in it, %w", path.Join(a.got.Top, dir), ErrAmbiguous)
			}
		}
	}
	return nil
}
