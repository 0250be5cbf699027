// SPDX-License-Identifier: GPL-2.0-only

package rpmbuild

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ovzpatch/internal/command"
)

//go:embed objects.mk
var objectsMakefile []byte

// objects counts what the tree that was configured last will compile. That is known by
// what the makefiles of its directories say, a few seconds after make has begun.
func (j Job) objects(ctx context.Context) (int, error) {
	tree, conf, err := configuredTree(j.BuildDir)
	if err != nil {
		return 0, fmt.Errorf("count files to compile: %w", err)
	}
	mk := filepath.Join(j.Topdir, "objects.mk")
	if err := os.WriteFile(mk, objectsMakefile, 0o644); err != nil {
		return 0, fmt.Errorf("count files to compile: %w", err)
	}
	out, err := command.Output(ctx, command.Cmd{
		Args: j.Root.Args("make", "-rR", "--no-print-directory", "-C", j.Root.inside(tree), "-f", j.Root.inside(mk), "conf="+j.Root.inside(conf), "objects"),
		Env:  append(j.Root.env(), "LC_ALL=C"),
	})
	if err != nil {
		return 0, fmt.Errorf("count files to compile: %w", err)
	}
	return bytes.Count(out, []byte("\n")), nil
}

// configuredTree finds the newest configuration below a build directory, and the tree
// that it belongs to: the one around it, where the objects have a directory of their own.
func configuredTree(build string) (tree, conf string, err error) {
	var newest fs.FileInfo
	for _, below := range []string{"*", "*/*", "*/*/*"} {
		found, _ := fs.Glob(os.DirFS(build), below+"/include/config/auto.conf")
		for _, name := range found {
			path := filepath.Join(build, name)
			if st, err := os.Stat(path); err == nil && (newest == nil || st.ModTime().After(newest.ModTime())) {
				conf, newest = path, st
			}
		}
	}
	if newest == nil {
		return "", "", fmt.Errorf("no configured kernel in %s", build)
	}
	for dir := filepath.Dir(conf); len(dir) > len(build); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "scripts/Makefile.build")); err == nil {
			return dir, conf, nil
		}
	}
	return "", "", fmt.Errorf("no kernel tree around %s", conf)
}
