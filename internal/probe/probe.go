// SPDX-License-Identifier: Apache-2.0

// Package probe compiles the module that stands in for Lustre in a guest, for one kernel.
package probe

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/extmod"
	"ovzpatch/internal/scratch"
	"ovzpatch/kmod"
)

// File is the name of the compiled module.
const File = "lustreprobe.ko"

// Options say for which kernel the probe is, and against what it is compiled.
type Options struct {
	// Devel is the kernel's -devel package; the probe is then kept in Cache.
	Devel string
	Cache cache.Cache
	// Tree is where the kernel was compiled, for one without a package; the probe then goes
	// into Dir.
	Tree, Dir string
	// Release is that of the kernel which is to load the probe.
	Release string
}

// Build compiles the probe and returns the path of the module. One that the kernel would not
// load is an error.
func Build(ctx context.Context, o Options) (string, error) {
	if o.Devel != "" {
		path, err := forPackage(ctx, o.Cache, o.Devel, o.Release)
		if err != nil {
			return "", err
		}
		return path, extmod.Check(path, o.Release, o.Devel)
	}
	if err := compile(ctx, o.Tree, o.Dir); err != nil {
		return "", fmt.Errorf("build probe module in %s: %w", o.Tree, err)
	}
	path := filepath.Join(o.Dir, File)
	return path, extmod.Check(path, o.Release, o.Tree)
}

// forPackage compiles the probe against a -devel package, unless the cache has it.
func forPackage(ctx context.Context, store cache.Cache, devel, release string) (string, error) {
	key := cache.NewKey("probe")
	if err := key.AddFile("devel", devel); err != nil {
		return "", err
	}
	if err := fs.WalkDir(kmod.Lustreprobe(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(kmod.Lustreprobe(), name)
		key.Add(name, string(data))
		return err
	}); err != nil {
		return "", err
	}
	dir, ok := store.Get("probes", key.String())
	if !ok {
		var err error
		dir, err = store.Put("probes", key.String(), func(dir string) error { return unpackAndCompile(ctx, devel, release, dir) })
		if err != nil {
			return "", fmt.Errorf("build probe module against %s: %w", filepath.Base(devel), err)
		}
	}
	return filepath.Join(dir, File), nil
}

// unpackAndCompile unpacks the -devel package of a kernel aside, and leaves the module in dir.
func unpackAndCompile(ctx context.Context, devel, release, dir string) error {
	tmp, remove, err := scratch.New("", "devel")
	if err != nil {
		return err
	}
	defer remove()
	tree, err := extmod.Devel(ctx, devel, tmp)
	if err != nil {
		return err
	}
	if err := extmod.CheckTree(tree, release, devel); err != nil {
		return err
	}
	return compile(ctx, tree, dir)
}

// compile compiles the module and leaves it in dir.
func compile(ctx context.Context, tree, dir string) error {
	src, remove, err := scratch.New("", "probe")
	if err != nil {
		return err
	}
	defer remove()
	if err := extmod.Compile(ctx, tree, kmod.Lustreprobe(), src); err != nil {
		return err
	}
	return atomicfile.Copy(filepath.Join(src, File), filepath.Join(dir, File))
}
