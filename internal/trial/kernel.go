// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"fmt"
	"path/filepath"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/keyring"
	"ovzpatch/internal/probe"
)

// Kernel is what a guest is booted from.
type Kernel struct {
	*kernelrpm.Kernel
	Probe string // path of the probe module that was built for it, "" where Lustre is not nil
	// Lustre is a user's own, in the place of the probe.
	Lustre *readyLustre
	// Script is what the guest's shell runs; nil is a shell that asks for commands.
	Script []byte
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
	if c.Image != "" {
		modules, err := filepath.EvalSymlinks(c.Modules)
		if err != nil {
			return nil, job.BadRequest(err)
		}
		return fromTree(ctx, c.Image, modules, dir, withProbe)
	}
	packages := []string{c.Package}
	if withProbe {
		if c.Devel == "" {
			var err error
			if c.Devel, err = kernelrpm.FindDevel(ctx, c.Package); err != nil {
				return nil, err
			}
		}
		packages = append(packages, c.Devel)
	}
	if c.Keyring != "" {
		for _, path := range packages {
			if err := keyring.VerifyFile(ctx, o.Report, path, c.Keyring); err != nil {
				return nil, err
			}
		}
	}
	if !withProbe {
		k, err := kernelrpm.Unpack(ctx, c.Package, dir)
		return &Kernel{Kernel: k}, err
	}
	return fromPackages(ctx, c.Package, c.Devel, dir, o.Cache)
}

// fromPackages takes the image and the modules out of a kernel package into dir, and
// builds the probe against its -devel package.
func fromPackages(ctx context.Context, kernel, devel, dir string, store cache.Cache) (*Kernel, error) {
	k, err := kernelrpm.Unpack(ctx, kernel, dir)
	if err != nil {
		return nil, err
	}
	module, err := probe.Build(ctx, probe.Options{Devel: devel, Cache: store, Release: k.Release})
	return &Kernel{Kernel: k, Probe: module}, err
}

// fromTree takes a bare kernel: an image, and the module tree that make modules_install
// left, whose build link leads to where the kernel was compiled. The probe, if it is
// wanted, goes to dir.
func fromTree(ctx context.Context, image, modules, dir string, withProbe bool) (*Kernel, error) {
	build := filepath.Join(modules, "build")
	arch, err := probe.Arch(build)
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("the probe is built in %s, where the kernel was compiled: %w", build, err))
	}
	parts := &Kernel{Kernel: &kernelrpm.Kernel{Arch: arch, Image: image, Modules: modules, Release: filepath.Base(modules)}}
	if withProbe {
		parts.Probe, err = probe.Build(ctx, probe.Options{Tree: build, Dir: dir, Release: parts.Release})
	}
	return parts, err
}
