// SPDX-License-Identifier: Apache-2.0

// Package extmod compiles modules of ours for a kernel that is built already, against its
// build tree or its -devel package.
package extmod

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

	"ovzpatch/internal/command"
	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/job"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/scratch"
	"ovzpatch/specs"
)

// limit is the time limit of compiling one module.
const limit = 5 * time.Minute

// Devel unpacks a -devel package, or what takes its place in a trial, into dir and returns the build tree that it holds.
func Devel(ctx context.Context, devel, dir string) (string, error) {
	if filepath.Base(devel) == specs.DevelArchive {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		return dir, command.Run(ctx, command.Cmd{Args: []string{"tar", "-xf", devel, "-C", dir}})
	}
	pkg, err := rpmfile.Open(ctx, devel)
	if err != nil {
		return "", err
	}
	defer pkg.Close()
	if err := pkg.Extract(ctx, dir, nil); err != nil {
		return "", err
	}
	trees, err := filepath.Glob(filepath.Join(dir, "usr/src/kernels/*/Makefile"))
	if err != nil {
		return "", err
	}
	// Those of RHEL 5's flavours have a second name for it, a link.
	trees = slices.DeleteFunc(trees, func(makefile string) bool {
		st, err := os.Lstat(filepath.Dir(makefile))
		return err != nil || !st.IsDir()
	})
	if len(trees) != 1 {
		return "", job.BadRequest(errors.New("it holds no kernel build tree under /usr/src/kernels; use the kernel's own -devel package"))
	}
	tree := filepath.Dir(trees[0])
	if _, err := os.Stat(filepath.Join(tree, ".config")); errors.Is(err, fs.ErrNotExist) {
		return "", job.BadRequest(fmt.Errorf("it has no configuration of the kernel, /usr/src/kernels/%s/.config, without which no module can be compiled; use the kernel's own -devel package, as it was built", filepath.Base(tree)))
	}
	return tree, nil
}

// Compile puts a module's source into the empty directory dir and compiles it there, in a
// kernel's build tree, which is not written to. settings are more of make's variables.
func Compile(ctx context.Context, tree string, source fs.FS, dir string, settings ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("time limit of %v reached", limit))
	defer cancel()
	if i := strings.IndexFunc(dir, breaksMake); i >= 0 {
		return job.BadRequest(fmt.Errorf("the kernel's makefiles compile no module in a directory with %q in its name: %s; %s", dir[i:i+1], dir, scratch.Hint))
	}
	if err := os.CopyFS(dir, source); err != nil {
		return err
	}
	// Kernels before 2.6.24 would take this machine's architecture for theirs.
	arch, err := Arch(tree)
	if err != nil {
		return err
	}
	// A module needs no type information of its own, and making it takes pahole.
	args := []string{"make", "-C", tree, "ARCH=" + arch, "M=" + dir, "CONFIG_DEBUG_INFO_BTF_MODULES="}
	return command.Run(ctx, command.Cmd{Args: slices.Concat(args, settings, []string{"modules"})})
}

// breaksMake tells what the kernel's makefiles, or the shell that they start, do not take in a path.
func breaksMake(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`:,=%'"\`+"`"+`$#&;()<>|*?[]{}!`, r)
}

// Check compares which kernel a module was compiled for, by from, with the one that it is to be
// loaded into.
func Check(path, release, from string) error {
	is, err := Release(path)
	if err == nil && is != release {
		err = job.BadRequest(fmt.Errorf("%s was built for kernel %s, from %s, but the kernel is %s, which would not load it: use the -devel package of the same build", filepath.Base(path), is, from, release))
	}
	return err
}

// Release is that of the kernel which a module was compiled for.
func Release(path string) (string, error) {
	image, err := plainfile.Read(path)
	if err != nil {
		return "", fmt.Errorf("read module: %w", err)
	}
	m, err := initramfs.ReadModule(filepath.Base(path), image)
	if err != nil {
		return "", err
	}
	return m.Release, nil
}

// Config reads the configuration of a kernel's build tree.
func Config(tree string) (config string, err error) {
	b, err := plainfile.Read(filepath.Join(tree, ".config"))
	if err != nil {
		return "", fmt.Errorf("read the kernel's configuration: %w", err)
	}
	return string(b), nil
}

// Arch returns the architecture, x86_64 or i386, that a kernel's build tree is
// configured for.
func Arch(tree string) (string, error) {
	config, err := Config(tree)
	if err != nil {
		return "", err
	}
	if strings.Contains("\n"+config, "\nCONFIG_X86_64=y\n") {
		return "x86_64", nil
	}
	return "i386", nil
}
