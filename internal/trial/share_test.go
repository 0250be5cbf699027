// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/qemu"
)

// A kernel with 9p as modules or built in shares a directory; one without gets a copy, and is
// refused before the boot where the guest must write.
func TestAddShare(t *testing.T) {
	tree := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for name, tt := range map[string]struct {
		modules string
		write   bool
		copy    bool
		load    []string
		refused bool
	}{
		"modules": {modules: tree(map[string]string{
			"modules.dep":     "9p.ko: 9pnet.ko\n9pnet.ko:\n9pnet_virtio.ko: 9pnet.ko\n",
			"modules.builtin": "kernel/drivers/virtio/virtio_pci.ko\n", "9p.ko": "", "9pnet.ko": "", "9pnet_virtio.ko": "",
		}), write: true, load: []string{"9pnet.ko", "9pnet_virtio.ko", "9p.ko"}},
		"built in":       {modules: tree(map[string]string{"modules.dep": "", "modules.builtin": "virtio_pci.ko\n9p.ko\n9pnet_virtio.ko\n"}), write: true},
		"none":           {modules: tree(map[string]string{"modules.dep": ""}), copy: true},
		"none, to write": {modules: tree(map[string]string{"modules.dep": ""}), write: true, refused: true},
	} {
		k := &Kernel{Kernel: &kernelrpm.Kernel{Release: "6.1", Modules: tt.modules}, Share: &Share{Dir: "/there", Write: tt.write}}
		im := initramfs.Image{Modules: map[string]initramfs.Content{}}
		byCopy, err := k.addShare(t.Context(), &im, Options{Report: job.Quiet{}})
		if (err != nil) != tt.refused || byCopy != tt.copy {
			t.Errorf("%s: a copy %t, %v", name, byCopy, err)
		}
		if tt.refused && (!errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "/there") || !strings.Contains(err.Error(), "CONFIG_9P_FS")) {
			t.Errorf("%s: %v", name, err)
		}
		for i, p := range im.Load {
			im.Load[i] = filepath.Base(p)
		}
		if !slices.Equal(im.Load, tt.load) {
			t.Errorf("%s: loads %q, want %q", name, im.Load, tt.load)
		}
	}
}

// QEMU itself keeps a guest from writing, whatever the guest does.
func TestShareArguments(t *testing.T) {
	for write, want := range map[bool]string{false: "readonly=on,path=/a,,b", true: "readonly=off,path=/a,,b"} {
		var m qemu.Machine
		(&Share{Dir: "/a,b", Write: write}).join(&m)
		if args := strings.Join(m.Extra, " "); !strings.Contains(args, want) {
			t.Errorf("writing %t: %s lacks %s", write, args, want)
		}
	}
}
