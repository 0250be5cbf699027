// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/probe"
)

// kernelParts are what a guest is booted from.
type kernelParts struct {
	*kernelrpm.Kernel
	Probe string // path of the probe module that was built for it, "" where Lustre is not nil
	// Lustre is a user's own, in the place of the probe.
	Lustre *userLustre
	// Script is what the guest's shell runs; nil is a shell that asks for commands.
	Script []byte
}

// fromPackages takes the image and the modules out of a kernel package into dir, and
// builds the probe against its -devel package.
func (a *app) fromPackages(ctx context.Context, kernel, devel, dir string) (*kernelParts, error) {
	k, err := kernelrpm.Unpack(ctx, kernel, dir)
	if err != nil {
		return nil, err
	}
	module, err := probe.Build(ctx, probe.Options{Devel: devel, Cache: cache.Cache{Dir: a.cacheDir}, Release: k.Release})
	return &kernelParts{Kernel: k, Probe: module}, err
}

// fromTree takes a bare kernel: an image, and the module tree that make modules_install
// left, whose build link leads to where the kernel was compiled. The probe, if it is
// wanted, goes to dir.
func fromTree(ctx context.Context, image, modules, dir string, withProbe bool) (*kernelParts, error) {
	build := filepath.Join(modules, "build")
	arch, err := probe.Arch(build)
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("the probe is built in %s, where the kernel was compiled: %w", build, err))
	}
	parts := &kernelParts{Kernel: &kernelrpm.Kernel{Arch: arch, Image: image, Modules: modules, Release: filepath.Base(modules)}}
	if withProbe {
		parts.Probe, err = probe.Build(ctx, probe.Options{Tree: build, Dir: dir, Release: parts.Release})
	}
	return parts, err
}
