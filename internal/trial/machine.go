// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/compress"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/probe"
	"ovzpatch/internal/qemu"
)

// Machine describes the guest that boots a kernel, with its initramfs.
func Machine(ctx context.Context, k *Kernel, o Options) (qemu.Machine, error) {
	progs, err := programsFor(o.Home, k.Arch, k.Release)
	if err != nil {
		return qemu.Machine{}, err
	}
	im := initramfs.Image{Base: progs.Base, Init: progs.Init, Modules: map[string]initramfs.Content{}}
	if err := k.addOwnModules(ctx, &im); err != nil {
		return qemu.Machine{}, err
	}
	if k.Lustre != nil {
		own := k.Lustre.order.Own
		if k.Lustre.link != nil {
			own = slices.Concat(k.Lustre.link.modules, own)
		}
		err = k.addModules(ctx, &im, own)
	} else {
		extra := path.Join("/lib/modules", k.Release, "extra", probe.File)
		im.Modules[extra] = initramfs.Content{Path: k.Probe}
		im.Load = append(im.Load, extra)
	}
	if err != nil {
		return qemu.Machine{}, err
	}
	if k.Livepatch != "" {
		im.Modules[k.livepatch()] = initramfs.Content{Path: k.Livepatch}
	}
	im.Files = map[string]initramfs.Content{}
	if _, err := os.Stat(progs.Compat); err == nil {
		im.Files[guest.CompatProgram] = initramfs.Content{Path: progs.Compat, Executable: true}
	}
	if k.Script != nil {
		im.Files[guest.ShellScript] = initramfs.Content{Data: k.Script}
	}
	byCopy, err := k.addShare(ctx, &im, o)
	if err != nil {
		return qemu.Machine{}, err
	}
	archive, err := initramfs.Build(o.Cache, im)
	if err == nil && byCopy {
		archive, err = archive.WithCopy(filepath.Join(k.Share.Scratch, "initramfs.cpio"), k.Share.Dir, guest.ShareDir)
	}
	if err != nil {
		return qemu.Machine{}, err
	}
	m := qemu.Machine{Arch: k.Arch, Accel: o.Accel, Kernel: k.Image, Initrd: archive.Path}
	if k.Share != nil && !byCopy {
		k.Share.join(&m)
	}
	if k.Lustre != nil {
		err = k.Lustre.join(&m)
	}
	return m, err
}

// ownModules are modules of the kernel under test that the guest loads where there are
// such: that its own modules load at all is part of the trial.
var ownModules = []string{"dummy"}

// addOwnModules puts ownModules, and what they need, into a guest.
func (k *Kernel) addOwnModules(ctx context.Context, im *initramfs.Image) error {
	files, err := initramfs.SelectModules(os.DirFS(k.Modules), ownModules)
	if errors.Is(err, initramfs.ErrNoModule) {
		return nil
	}
	if err != nil {
		return err
	}
	return k.addModules(ctx, im, files)
}

// addModules puts files of the kernel's module tree into a guest, in load order.
func (k *Kernel) addModules(ctx context.Context, im *initramfs.Image, files []string) error {
	for _, f := range files {
		plain, _, _ := strings.Cut(f, ".ko")
		name := path.Join("/lib/modules", k.Release, plain+".ko")
		if _, there := im.Modules[name]; there {
			continue
		}
		image, err := readPlain(ctx, os.DirFS(k.Modules), f)
		if err != nil {
			return err
		}
		im.Modules[name] = initramfs.Content{Data: image}
		im.Load = append(im.Load, name)
	}
	return nil
}

// maxModule is the size in bytes up to which a file is taken for a module.
const maxModule = 512 << 20

// readPlain reads a module, which may be compressed; the guest's may not.
func readPlain(ctx context.Context, tree fs.FS, name string) ([]byte, error) {
	f, err := plainfile.OpenFS(tree, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, _, err := compress.NewReader(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", name, err)
	}
	defer r.Close()
	image, err := io.ReadAll(compress.Limit(r, maxModule))
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", name, err)
	}
	return image, nil
}
