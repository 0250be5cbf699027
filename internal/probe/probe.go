// SPDX-License-Identifier: Apache-2.0

// Package probe compiles the module that stands in for Lustre in a guest, for one kernel.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/scratch"
	"ovzpatch/kmod"
)

// limit is the time limit of compiling the probe.
const limit = 5 * time.Minute

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
		path, err := forPackage(ctx, o.Cache, o.Devel)
		if err != nil {
			return "", err
		}
		return path, check(path, o.Release, o.Devel)
	}
	if err := compile(ctx, o.Tree, o.Dir); err != nil {
		return "", fmt.Errorf("build probe module in %s: %w", o.Tree, err)
	}
	path := filepath.Join(o.Dir, File)
	return path, check(path, o.Release, o.Tree)
}

// check compares which kernel the probe was built for, by from, with the one that it is to be
// loaded into.
func check(path, release, from string) error {
	image, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the probe: %w", err)
	}
	m, err := initramfs.ReadModule(File, image)
	if err != nil {
		return err
	}
	if m.Release != release {
		return job.BadRequest(fmt.Errorf("the probe was built for kernel %s, from %s, but the kernel under test is %s, which would not load it: use the -devel package of the same build", m.Release, from, release))
	}
	return nil
}

// forPackage compiles the probe against a -devel package, unless the cache has it.
func forPackage(ctx context.Context, store cache.Cache, devel string) (string, error) {
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
		dir, err = store.Put("probes", key.String(), func(dir string) error { return unpackAndCompile(ctx, devel, dir) })
		if err != nil {
			return "", fmt.Errorf("build probe module against %s: %w", filepath.Base(devel), err)
		}
	}
	return filepath.Join(dir, File), nil
}

// unpackAndCompile unpacks the -devel package aside, and leaves the module in dir.
func unpackAndCompile(ctx context.Context, devel, dir string) error {
	tmp, remove, err := scratch.New("", "devel")
	if err != nil {
		return err
	}
	defer remove()
	pkg, err := rpmfile.Open(ctx, devel)
	if err != nil {
		return err
	}
	defer pkg.Close()
	if err := pkg.Extract(ctx, tmp, nil); err != nil {
		return err
	}
	trees, err := filepath.Glob(filepath.Join(tmp, "usr/src/kernels/*/Makefile"))
	if err != nil {
		return err
	}
	// Those of RHEL 5's flavours have a second name for it, a link.
	trees = slices.DeleteFunc(trees, func(makefile string) bool {
		st, err := os.Lstat(filepath.Dir(makefile))
		return err != nil || !st.IsDir()
	})
	if len(trees) != 1 {
		return job.BadRequest(errors.New("it holds no kernel build tree under /usr/src/kernels; use the kernel's own -devel package"))
	}
	return compile(ctx, filepath.Dir(trees[0]), dir)
}

// compile compiles the module in a kernel's build tree, which is not written to,
// and leaves it in dir.
func compile(ctx context.Context, tree, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("time limit of %v reached", limit))
	defer cancel()
	src, remove, err := scratch.New("", "probe")
	if err != nil {
		return err
	}
	defer remove()
	if err := os.CopyFS(src, kmod.Lustreprobe()); err != nil {
		return err
	}
	// Kernels before 2.6.24 would take this machine's architecture for theirs.
	arch, err := Arch(tree)
	if err != nil {
		return err
	}
	err = command.Run(ctx, command.Cmd{Args: []string{"make", "-C", tree, "ARCH=" + arch, "M=" + src, "modules"}})
	if err != nil {
		return err
	}
	return atomicfile.Copy(filepath.Join(src, File), filepath.Join(dir, File))
}

// Arch returns the architecture, x86_64 or i386, that a kernel's build tree is
// configured for.
func Arch(tree string) (string, error) {
	config, err := os.ReadFile(filepath.Join(tree, ".config"))
	if err != nil {
		return "", fmt.Errorf("read the kernel's configuration: %w", err)
	}
	if strings.Contains("\n"+string(config), "\nCONFIG_X86_64=y\n") {
		return "x86_64", nil
	}
	return "i386", nil
}
