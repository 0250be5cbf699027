// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkOutput finds out before the work whether its results can be written to a directory,
// by writing there; "" is no directory. What has to be made for that is taken away again.
func checkOutput(dir string) error { return checkWritable("output", dir) }

func checkWritable(flag, dir string) (err error) {
	if dir == "" {
		return nil
	}
	var missing []string // the deepest first
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append(missing, d)
	}
	defer func() {
		for _, d := range missing {
			os.Remove(d)
		}
		if err != nil {
			err = usage(fmt.Errorf("--%s=%s: %w", flag, dir, err))
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".ovzpatch-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// checkOutputFile finds out before the work whether a file can be written; "" is no file.
func checkOutputFile(flag, path string) error {
	if path == "" {
		return nil
	}
	if i, err := os.Stat(path); err == nil && i.IsDir() {
		return usage(fmt.Errorf("--%s=%s: it is a directory; name a file", flag, path))
	}
	// A file is written whole by a rename. That would put it in the place of /dev/null or /dev/stdout, too.
	if i, err := os.Lstat(path); err == nil && !i.Mode().IsRegular() {
		return usage(fmt.Errorf("--%s=%s: it is a link, a device or a pipe, in whose place a file would be put; name another file", flag, path))
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		return usage(fmt.Errorf("--%s=%s: %w", flag, path, err))
	}
	return checkWritable(flag, dir)
}
