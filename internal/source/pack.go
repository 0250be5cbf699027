// SPDX-License-Identifier: GPL-2.0-only

package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
	compress := "zstd -q -T0 -3"
	if filepath.Ext(path) == ".gz" {
		compress = "gzip -n -3"
	}
	err := command.Run(ctx, command.Cmd{Args: []string{
		"tar", "--create", "--file", path, "--use-compress-program", compress,
		"--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--exclude-vcs",
		"--transform", "flags=r;s,^\\.," + top + ",", "--directory", s.Path, ".",
	}})
	if err != nil {
		return fmt.Errorf("pack tree %s: %w", s.Path, err)
	}
	return nil
}
