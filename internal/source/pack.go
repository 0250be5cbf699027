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

// ErrBuiltIn is for a tree that holds the products of a build.
var ErrBuiltIn = errors.New("a kernel was built in this tree; run `make mrproper` in it first (keep its .config elsewhere and give it with --config)")

// Pack writes a tree as a tarball with one top directory, compressed as its name says (.gz
// or .zst): sorted, without owners and without the files of version control. Times of files
// stay, since make goes by them.
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

// packGzip compresses what tar writes by this library, not by the gzip program, which took
// 22 to 32 s for the tree of 2.6.32 where this took 4 s.
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
