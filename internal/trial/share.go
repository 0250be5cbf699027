// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/job"
	"ovzpatch/internal/qemu"
)

// Share is a directory of the host that the guest has at guest.ShareDir.
type Share struct {
	Dir     string
	Write   bool   // what the guest writes there stays
	Scratch string // temporary directory, for a guest that gets a copy
}

// shareModules are what a kernel mounts a host's directory with; virtio has been there since 2.6.24.
var shareModules = []string{"virtio_pci", "9pnet_virtio", "9p"}

// addShare puts the modules of 9p into a guest that shares a directory. A kernel without them,
// as Red Hat's are, gets a copy, unless the guest must write.
func (k *Kernel) addShare(ctx context.Context, im *initramfs.Image, o Options) (byCopy bool, err error) {
	if k.Share == nil {
		return false, nil
	}
	files, err := initramfs.SelectModules(os.DirFS(k.Modules), shareModules)
	switch {
	case errors.Is(err, initramfs.ErrNoModule) && k.Share.Write:
		return false, job.BadRequest(fmt.Errorf("share %s for writing: 9p is missing (CONFIG_VIRTIO_PCI, CONFIG_NET_9P_VIRTIO, CONFIG_9P_FS): %w; "+
			"leave out --rw, and the guest of %s gets a copy", k.Share.Dir, err, k.Release))
	case errors.Is(err, initramfs.ErrNoModule):
		o.Report.Say("%s has no 9p: %s in the guest is a copy of %s", k.Release, guest.ShareDir, k.Share.Dir)
		return true, nil
	case err != nil:
		return false, err
	}
	return false, k.addModules(ctx, im, files)
}

// join makes the machine offer the directory. QEMU itself refuses to write what is not for writing.
func (s *Share) join(m *qemu.Machine) {
	mode, readonly := "rw", "off"
	if !s.Write {
		mode, readonly = "ro", "on"
	}
	// A comma in a value is two of them.
	path := strings.ReplaceAll(s.Dir, ",", ",,")
	m.Extra = append(m.Extra,
		"-fsdev", "local,id=share,security_model=none,multidevs=remap,readonly="+readonly+",path="+path,
		"-device", "virtio-9p-pci,fsdev=share,mount_tag="+guest.ShareTag)
	m.Append = append(m.Append, "umounttest.share="+mode)
}
