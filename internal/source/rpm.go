// SPDX-License-Identifier: GPL-2.0-only

package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"ovzpatch/internal/rpmfile"
)

// ErrNoTarball is for a source RPM in which no kernel tarball can be told.
var ErrNoTarball = errors.New("the source RPM holds no tarball that is named like a kernel's (linux-*.tar.*, kernel-*.tar.*)")

// kernelTarball is how distributions name the kernel's own tarball.
var kernelTarball = regexp.MustCompile(`^(linux|kernel|vzkernel|ovzkernel)-.*\.(tar(\.\w+)?|tgz|tbz2?|txz)$`)

// Unpack takes the kernel tarball out of a source RPM into dir and opens it.
func (s *Source) Unpack(ctx context.Context, dir string) (*Source, error) {
	pkg, err := rpmfile.Open(ctx, s.Path)
	if err != nil {
		return nil, err
	}
	defer pkg.Close()
	if !pkg.Source {
		return nil, fmt.Errorf("read source %s: a binary package: %w", s.Path, ErrUnknown)
	}
	// The kernel's own is the largest; documentation and ABI lists are named alike.
	var name string
	var size int64
	for _, e := range pkg.Files {
		if kernelTarball.MatchString(e.Name) && e.Size > size {
			name, size = e.Name, e.Size
		}
	}
	if name == "" {
		return nil, fmt.Errorf("read source %s: %w", s.Path, ErrNoTarball)
	}
	if err := pkg.Extract(ctx, dir, func(n string) bool { return n == name }); err != nil {
		return nil, err
	}
	return &Source{Path: filepath.Join(dir, name), Kind: Tarball, Release: pkg.Release()}, nil
}

// readRPM reads files of the tarball in a source RPM.
func (s *Source) readRPM(ctx context.Context, want, passing []string) (*Files, error) {
	dir, err := os.MkdirTemp("", "ovzpatch-source-")
	if err != nil {
		return nil, fmt.Errorf("read source %s: %w", s.Path, err)
	}
	defer os.RemoveAll(dir)
	tarball, err := s.Unpack(ctx, dir)
	if err != nil {
		return nil, err
	}
	files, err := tarball.ReadFiles(ctx, want, passing...)
	if err != nil {
		return nil, err
	}
	files.Release = tarball.Release
	return files, nil
}
