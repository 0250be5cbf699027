// SPDX-License-Identifier: Apache-2.0

package kernelrpm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/tool"
)

// Kernel is an unpacked kernel.
type Kernel struct {
	Release string // as uname -r will say
	Arch    string // x86_64 or i386
	Image   string // path of the bzImage
	Modules string // path of its /lib/modules/RELEASE
}

// Unpack takes the image, its System.map and the modules out of the package at path into dir.
func Unpack(ctx context.Context, path, dir string) (*Kernel, error) {
	p, err := Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if p.Source {
		return nil, job.BadRequest(fmt.Errorf("%s is a source package: build it first with ovzpatch build", path))
	}
	k := &Kernel{Arch: "x86_64"}
	if p.Arch() != "x86_64" {
		k.Arch = "i386"
	}
	want := func(name string) bool {
		_, image := kernel.ImageRelease(name)
		return image || kernel.InModules(name) || strings.HasPrefix(name, "/boot/System.map-")
	}
	if err := p.Extract(ctx, dir, want); err != nil {
		return nil, err
	}
	if k.Modules, err = moduleTree(path, dir); err != nil {
		return nil, err
	}
	k.Release = filepath.Base(k.Modules)
	if err := k.listModules(ctx, path, dir); err != nil {
		return nil, err
	}
	// Newer distributions ship the image beside the modules and copy it to /boot.
	for _, image := range []string{filepath.Join(dir, "boot", "vmlinuz-"+k.Release), filepath.Join(k.Modules, "vmlinuz")} {
		if _, err := os.Stat(image); err == nil {
			k.Image = image
			return k, nil
		}
	}
	return nil, job.BadRequest(fmt.Errorf("%s holds no kernel image: is it the kernel package? On newer systems that is kernel-core", path))
}

// moduleTree finds the one module tree that the package at path had, unpacked in dir.
func moduleTree(path, dir string) (string, error) {
	// Where /lib is a link to /usr/lib, packages may have either name. depmod wants the first.
	merged, err := filepath.Glob(filepath.Join(dir, "usr/lib/modules/*"))
	if err != nil {
		return "", err
	}
	for _, tree := range merged {
		to := filepath.Join(dir, "lib/modules", filepath.Base(tree))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.Rename(tree, to); err != nil {
			return "", fmt.Errorf("find modules of %s: %w", path, err)
		}
	}
	trees, err := filepath.Glob(filepath.Join(dir, "lib/modules/*"))
	if err != nil {
		return "", err
	}
	if len(trees) != 1 {
		return "", job.BadRequest(fmt.Errorf("%s holds %d kernels below /lib/modules and /usr/lib/modules, not one: is it the kernel package?", path, len(trees)))
	}
	return trees[0], nil
}

// listModules makes the list of modules where there is none: those of Red Hat's kind leave it
// to whoever installs them.
func (k *Kernel) listModules(ctx context.Context, path, dir string) error {
	if _, err := os.Stat(filepath.Join(k.Modules, "modules.dep")); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := tool.Need(tool.Modules); err != nil {
		return err
	}
	depmod, err := tool.Find("depmod")
	if err == nil {
		err = command.Run(ctx, command.Cmd{Args: []string{depmod, "-b", dir, k.Release}})
	}
	if err != nil {
		return fmt.Errorf("list modules of %s: %w", path, err)
	}
	return nil
}
