// SPDX-License-Identifier: Apache-2.0

package main

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
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/tool"
	"ovzpatch/kmod"
)

// probeLimit is the time limit of compiling the probe.
const probeLimit = 5 * time.Minute

// probeFromPackage compiles the probe module against a -devel package and gives its path.
func (a *app) probeFromPackage(ctx context.Context, devel string) (string, error) {
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
	store := cache.Cache{Dir: a.cacheDir}
	dir, ok := store.Get("probes", key.String())
	if !ok {
		var err error
		dir, err = store.Put("probes", key.String(), func(dir string) error { return unpackAndCompile(ctx, devel, dir) })
		if err != nil {
			return "", fmt.Errorf("build probe module against %s: %w", filepath.Base(devel), err)
		}
	}
	return filepath.Join(dir, probeFile), nil
}

// probeFile is the compiled module.
const probeFile = "lustreprobe.ko"

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
		return errors.New("it holds no kernel build tree under /usr/src/kernels; give the kernel's own -devel package")
	}
	return compileProbe(ctx, filepath.Dir(trees[0]), dir)
}

// compileProbe compiles the module in a kernel's build tree, which is not written to,
// and leaves it in dir.
func compileProbe(ctx context.Context, tree, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, probeLimit, fmt.Errorf("time limit of %v reached", probeLimit))
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
	arch, err := treeArch(tree)
	if err != nil {
		return err
	}
	err = command.Run(ctx, command.Cmd{Args: []string{"make", "-C", tree, "ARCH=" + arch, "M=" + src, "modules"}})
	if err != nil {
		return err
	}
	return atomicfile.Copy(filepath.Join(src, probeFile), filepath.Join(dir, probeFile))
}

// treeArch gives the architecture, x86_64 or i386, that a kernel's build tree is
// configured for.
func treeArch(tree string) (string, error) {
	config, err := os.ReadFile(filepath.Join(tree, ".config"))
	if err != nil {
		return "", fmt.Errorf("read the kernel's configuration: %w", err)
	}
	if strings.Contains("\n"+string(config), "\nCONFIG_X86_64=y\n") {
		return "x86_64", nil
	}
	return "i386", nil
}

// kernelParts are what a guest is booted from.
type kernelParts struct {
	Release    string // as uname -r will say
	Arch       string // x86_64 or i386
	Image      string // path of the bzImage
	ModuleTree string // path of its /lib/modules/RELEASE
	Probe      string // path of the probe module that was built for it, "" where Lustre is not nil
	// Lustre is a user's own, in the place of the probe.
	Lustre *userLustre
	// Script is what the guest's shell runs; nil is a shell that asks for commands.
	Script []byte
}

// fromPackages takes the image and the modules out of a kernel package into dir, and
// builds the probe against its -devel package.
func (a *app) fromPackages(ctx context.Context, kernel, devel, dir string) (*kernelParts, error) {
	parts, err := unpackKernel(ctx, kernel, dir)
	if err != nil {
		return nil, err
	}
	if parts.Probe, err = a.probeFromPackage(ctx, devel); err != nil {
		return nil, err
	}
	return parts, parts.checkProbe(devel)
}

// checkProbe compares which kernel the probe was built for with the one that it is to be
// loaded into.
func (k *kernelParts) checkProbe(from string) error {
	image, err := os.ReadFile(k.Probe)
	if err != nil {
		return fmt.Errorf("read the probe: %w", err)
	}
	m, err := initramfs.ReadModule(probeFile, image)
	if err != nil {
		return err
	}
	if m.Release != k.Release {
		return job.BadRequest(fmt.Errorf("the probe was built for kernel %s, by %s, and the kernel on trial is %s, which would not load it: give the -devel package of the same build", m.Release, from, k.Release))
	}
	return nil
}

// fromTree takes a bare kernel: an image, and the module tree that make modules_install
// left, whose build link leads to where the kernel was compiled. The probe, if it is
// wanted, goes to dir.
func fromTree(ctx context.Context, image, modules, dir string, probe bool) (*kernelParts, error) {
	build := filepath.Join(modules, "build")
	arch, err := treeArch(build)
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("the probe is built in %s, where the kernel was compiled: %w", build, err))
	}
	parts := &kernelParts{Arch: arch, Image: image, ModuleTree: modules, Release: filepath.Base(modules)}
	if !probe {
		return parts, nil
	}
	if err := compileProbe(ctx, build, dir); err != nil {
		return nil, fmt.Errorf("build probe module in %s: %w", build, err)
	}
	parts.Probe = filepath.Join(dir, probeFile)
	return parts, parts.checkProbe(build)
}

// unpackKernel takes the image and the modules out of a kernel package into dir.
func unpackKernel(ctx context.Context, pkgPath, dir string) (*kernelParts, error) {
	pkg, err := rpmfile.Open(ctx, pkgPath)
	if err != nil {
		return nil, err
	}
	defer pkg.Close()
	if pkg.Source {
		return nil, job.BadRequest(fmt.Errorf("%s is a source package: build it first with ovzpatch build", pkgPath))
	}
	parts := &kernelParts{Arch: "x86_64"}
	if pkg.Arch() != "x86_64" {
		parts.Arch = "i386"
	}
	want := func(name string) bool {
		_, image := kernel.ImageRelease(name)
		return image || kernel.InModules(name)
	}
	if err := pkg.Extract(ctx, dir, want); err != nil {
		return nil, err
	}
	// Where /lib is a link to /usr/lib, packages may have either name. depmod wants the first.
	merged, err := filepath.Glob(filepath.Join(dir, "usr/lib/modules/*"))
	if err != nil {
		return nil, err
	}
	for _, tree := range merged {
		to := filepath.Join(dir, "lib/modules", filepath.Base(tree))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		if err := os.Rename(tree, to); err != nil {
			return nil, fmt.Errorf("find modules of %s: %w", pkgPath, err)
		}
	}
	trees, err := filepath.Glob(filepath.Join(dir, "lib/modules/*"))
	if err != nil {
		return nil, err
	}
	if len(trees) != 1 {
		return nil, job.BadRequest(fmt.Errorf("%s holds %d kernels below /lib/modules and /usr/lib/modules, not one: is it the kernel package?", pkgPath, len(trees)))
	}
	parts.ModuleTree = trees[0]
	parts.Release = filepath.Base(trees[0])
	// The kernels of Red Hat's kind leave it to whoever installs them.
	if _, err := os.Stat(filepath.Join(trees[0], "modules.dep")); errors.Is(err, fs.ErrNotExist) {
		if err := tool.Need(tool.Modules); err != nil {
			return nil, err
		}
		depmod, err := tool.Find("depmod")
		if err == nil {
			err = command.Run(ctx, command.Cmd{Args: []string{depmod, "-b", dir, parts.Release}})
		}
		if err != nil {
			return nil, fmt.Errorf("list modules of %s: %w", pkgPath, err)
		}
	}
	// Newer distributions ship the image beside the modules and copy it to /boot.
	for _, image := range []string{filepath.Join(dir, "boot", "vmlinuz-"+parts.Release), filepath.Join(trees[0], "vmlinuz")} {
		if _, err := os.Stat(image); err == nil {
			parts.Image = image
			return parts, nil
		}
	}
	return nil, job.BadRequest(fmt.Errorf("%s holds no kernel image: is it the kernel package?", pkgPath))
}
