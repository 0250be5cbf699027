// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"

	"ovzpatch/internal/command"
)

// ErrBuiltIn means that a tree holds the products of a build.
var ErrBuiltIn = errors.New("a kernel was built in this tree; run `make mrproper` in it first (save its .config elsewhere and pass it with --config)")

// Pack writes a tree as a tarball with one top directory, compressed as its name says (.gz or
// .zst). The tarball is sorted, without owners and without the files of version control. Files
// keep their times, because make uses them.
func (s *Source) Pack(ctx context.Context, path, top string) error {
	for _, product := range []string{".config", "include/config", "include/generated"} {
		if _, err := os.Stat(filepath.Join(s.Path, product)); err == nil {
			return fmt.Errorf("pack tree %s: it has %s: %w", s.Path, product, ErrBuiltIn)
		}
	}
	args := []string{
		"tar", "--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--exclude-vcs",
		"--transform", "flags=r;s,^\\.," + top + ",", "--directory", s.Path,
	}
	var err error
	if filepath.Ext(path) == ".gz" {
		err = packGzip(ctx, append(args, "."), path)
	} else {
		err = command.Run(ctx, command.Cmd{Args: append(args, "--file", path, "--use-compress-program", "zstd -q -T0 -3", ".")})
	}
	if err != nil {
		return fmt.Errorf("pack tree %s: %w", s.Path, err)
	}
	return nil
}

// packGzip compresses tar's output with this library, not with the gzip program: gzip took 22 to
// 32 s for the tree of 2.6.32, this took 4 s.
func packGzip(ctx context.Context, tar []string, path string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := command.Run(ctx, command.Cmd{Args: append(tar, "--file", "-"), Stdout: z}); err != nil {
		return err
	}
	return errors.Join(z.Close(), out.Close())
}
