// SPDX-License-Identifier: Apache-2.0

// Package source opens what a kernel is built from: an unpacked tree, a tarball, or a source RPM.
// It reads single files from each without unpacking the rest, and never changes it.
package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// Source is one opened source.
type Source struct {
	Path string // absolute
	Kind Kind
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
	f, err := os.Open(abs)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read source %s: %w", path, err)
	}
	kind, ok := sniff(head[:n])
	if !ok {
		return nil, fmt.Errorf("open source %s: %w", path, ErrUnknown)
	}
	return &Source{Path: abs, Kind: kind}, nil
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
