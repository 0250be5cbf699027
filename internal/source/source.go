// SPDX-License-Identifier: Apache-2.0

// Package source opens what a kernel is built from: an unpacked tree, a tarball, or a source RPM.
// It reads single files from each without unpacking the rest, and never changes it.
package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/rpmfile"
)

// Kind is the kind of a source.
type Kind string

// The kinds of sources.
const (
	Tree    Kind = "tree"
	Tarball Kind = "tarball"
	RPM     Kind = "source RPM"
)

// ErrUnknown means that a path is none of the three.
var ErrUnknown = errors.New("neither a kernel tree, nor a tarball, nor a source RPM")

// Source is one opened source. What is no tree is one file, which is opened once and stays open
// until Close.
type Source struct {
	Path string // absolute
	Kind Kind

	name   string        // as it was given to Open
	file   *os.File      // nil for a tree, and before the first use of an unpacked tarball
	rpm    *rpmfile.File // nil before RPM
	digest string        // "" before Digest
}

// Open finds out what path is, by content and not by name.
func Open(path string) (*Source, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open source %s: %w", path, err)
	}
	st, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	if st.IsDir() {
		return &Source{Path: abs, Kind: Tree}, nil
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("open source %s: %w", path, ErrUnknown)
	}
	s := &Source{Path: abs, name: path}
	if s.file, err = plainfile.Open(abs); err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	head := make([]byte, 512)
	n, err := s.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		s.Close()
		return nil, fmt.Errorf("read source %s: %w", path, err)
	}
	var ok bool
	if s.Kind, ok = sniff(head[:n]); !ok {
		s.Close()
		return nil, fmt.Errorf("open source %s: %w", path, ErrUnknown)
	}
	return s, nil
}

// Close closes the file. It may be called for a nil Source, and for a tree.
func (s *Source) Close() error {
	if s == nil || s.file == nil {
		return nil
	}
	return s.file.Close()
}

// content is the whole file, from its start.
func (s *Source) content() (io.Reader, error) {
	if s.file == nil {
		f, err := plainfile.Open(s.Path)
		if err != nil {
			return nil, err
		}
		s.file = f
	}
	return io.NewSectionReader(s.file, 0, math.MaxInt64), nil
}

// RPM is what a source RPM says of itself; its headers are read once.
func (s *Source) RPM(ctx context.Context) (*rpmfile.File, error) {
	var err error
	if s.rpm == nil {
		s.rpm, err = rpmfile.OpenFile(ctx, s.file, s.name)
	}
	return s.rpm, err
}

// Digest is the SHA-256 digest of a source that is a file, in hexadecimal. It is read once for
// that.
func (s *Source) Digest() (string, error) {
	if s.digest != "" {
		return s.digest, nil
	}
	r, err := s.content()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	s.digest = hex.EncodeToString(h.Sum(nil))
	return s.digest, nil
}

func sniff(head []byte) (Kind, bool) {
	if bytes.HasPrefix(head, []byte("\xed\xab\xee\xdb")) {
		return RPM, true
	}
	for _, magic := range []string{"\x1f\x8b", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd", "\x5d\x00\x00"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return Tarball, true
		}
	}
	if len(head) >= 262 && string(head[257:262]) == "ustar" {
		return Tarball, true
	}
	return "", false
}

// reader ends a long read when its context ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
