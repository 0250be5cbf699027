// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"fmt"
	"path/filepath"

	"ovzpatch/internal/extmod"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/keyring"
	"ovzpatch/internal/livepatch"
	"ovzpatch/internal/probe"
	"ovzpatch/internal/scratch"
)

// Kernel is what a guest is booted from.
type Kernel struct {
	*kernelrpm.Kernel
	Probe string // path of the probe module that was built for it, "" where Lustre is not nil
	// Lustre is a user's own, in the place of the probe.
	Lustre *readyLustre
	// Livepatch is the path of a livepatch's module that the guest has, "" for none.
	Livepatch     string
	livepatchName string // what the guest's kernel calls it
	// Script is what the guest's shell runs; nil is a shell that asks for commands.
	Script []byte
	// Share is the host's directory that the guest has, nil for none.
	Share *Share
}

// Choice says which kernel a guest boots, and with which Lustre.
type Choice struct {
	Package string // path of a kernel package
	Devel   string // path of its -devel package; "" is the one beside it
	Keyring string // file with the keys of whoever must have signed both; "" for any
	// Image and Modules are a bare kernel in place of a package: an image, and its
	// /lib/modules/RELEASE, whose build link leads to where it was compiled.
	Image, Modules string
	Lustre         Lustre
}

// Unpack unpacks the kernel below dir, and makes the probe, or the user's Lustre, ready for it.
func (c Choice) Unpack(ctx context.Context, dir string, o Options) (*Kernel, error) {
	k, err := c.kernel(ctx, dir, o)
	if err == nil && c.Lustre.Given() {
		k.Lustre, err = c.Lustre.load(ctx, o.Report, k, dir)
	}
	return k, err
}

// kernel is Unpack without a Lustre of the user's.
func (c Choice) kernel(ctx context.Context, dir string, o Options) (*Kernel, error) {
	withProbe := !c.Lustre.Given()
	bare, devel, err := c.Bare(ctx, dir, o.Report, withProbe)
	if err != nil {
		return nil, err
	}
	k := &Kernel{Kernel: bare}
	switch {
	case !withProbe:
	case devel != "":
		k.Probe, err = probe.Build(ctx, probe.Options{Devel: devel, Cache: o.Cache, Release: k.Release})
	default:
		k.Probe, err = probe.Build(ctx, probe.Options{Tree: filepath.Join(k.Modules, "build"), Dir: dir, Release: k.Release})
	}
	return k, err
}

// Bare unpacks the kernel below dir, with nothing made for it. devel is its -devel package,
// where that is wanted; a bare kernel has a build tree instead.
func (c Choice) Bare(ctx context.Context, dir string, r job.Reporter, wanted bool) (k *kernelrpm.Kernel, devel string, err error) {
	if c.Image != "" {
		k, err = fromTree(c.Image, c.Modules)
		return k, "", err
	}
	packages := []string{c.Package}
	if wanted {
		if devel = c.Devel; devel == "" {
			if devel, err = kernelrpm.FindDevel(ctx, c.Package); err != nil {
				return nil, "", err
			}
		}
		packages = append(packages, devel)
	}
	if c.Keyring != "" {
		for _, path := range packages {
			if err := keyring.VerifyFile(ctx, r, path, c.Keyring); err != nil {
				return nil, "", err
			}
		}
	}
	k, err = kernelrpm.Unpack(ctx, c.Package, dir)
	return k, devel, err
}

// MakeLivepatch makes the module for the kernel. The options need not say which that is.
func MakeLivepatch(ctx context.Context, c Choice, o livepatch.Options) (*livepatch.Module, error) {
	dir, remove, err := scratch.New("", "kernel")
	if err != nil {
		return nil, fmt.Errorf("unpack kernel: %w", err)
	}
	defer remove()
	k, devel, err := c.Bare(ctx, dir, o.Report, true)
	if err != nil {
		return nil, err
	}
	o.Image, o.Modules, o.Release, o.Devel, o.Package = k.Image, k.Modules, k.Release, devel, c.Package
	return livepatch.Build(ctx, o)
}

// fromTree takes a bare kernel: an image, and the module tree that make modules_install
// left, whose build link leads to where the kernel was compiled.
func fromTree(image, modules string) (*kernelrpm.Kernel, error) {
	modules, err := filepath.EvalSymlinks(modules)
	if err != nil {
		return nil, job.BadRequest(err)
	}
	build := filepath.Join(modules, "build")
	arch, err := extmod.Arch(build)
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("modules are built in %s, where the kernel was compiled: %w", build, err))
	}
	return &kernelrpm.Kernel{Arch: arch, Image: image, Modules: modules, Release: filepath.Base(modules)}, nil
}
