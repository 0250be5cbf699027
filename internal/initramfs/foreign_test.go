// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// object compiles a file with the .modinfo that a module would have.
func object(t *testing.T, words ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "m.s")
	text := ".section .modinfo,\"a\"\n"
	for _, w := range words {
		text += ".asciz \"" + w + "\"\n"
	}
	if len(words) == 0 {
		text = ""
	}
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "m.ko")
	if b, err := exec.Command("as", "-o", out, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadModule(t *testing.T) {
	m, err := ReadModule("extra/osd-mem.ko", object(t, "license=GPL", "depends=lnet,ptl-rpc", "vermagic=6.1.0-1 SMP mod_unload "))
	if err != nil || m.Name != "osd_mem" || m.Release != "6.1.0-1" || !slices.Equal(m.Depends, []string{"lnet", "ptl_rpc"}) {
		t.Errorf("got %+v, %v", m, err)
	}
	// Its name does not change with its file's.
	m, err = ReadModule("extra/copy-of-it.ko", object(t, "livepatch=Y", "name=ovzlivepatch_1", "vermagic=6.1.0-1 SMP "))
	if err != nil || m.Name != "ovzlivepatch_1" || !m.Livepatch {
		t.Errorf("got %+v, %v", m, err)
	}
	for says, image := range map[string][]byte{
		"which no module has": object(t, "name=../../init", "vermagic=6.1.0-1 SMP "),
		"bad magic":           []byte("not an object at all, but text"),
		"no .modinfo":         object(t),
		"does not say":        object(t, "depends="),
		"read module x.ko":    {},
	} {
		if _, err := ReadModule("x.ko", image); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", says, err)
		}
	}
}

func FuzzReadModule(f *testing.F) {
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, image []byte) {
		if m, err := ReadModule("x.ko", image); err == nil && m.Release == "" {
			t.Error("a module for no kernel")
		}
	})
}

func TestOrderForeign(t *testing.T) {
	tree := moduleTree("kernel/crc.ko:\nkernel/sunrpc.ko: kernel/crc.ko\nkernel/ext4.ko:\n", "kernel/crypto.ko\n")
	module := func(name string, needs ...string) ForeignModule {
		return ForeignModule{Name: name, File: "extra/" + name + ".ko", Release: "6.1", Depends: needs}
	}
	modules := []ForeignModule{
		module("lustre", "ptlrpc", "lnet"), module("ko2iblnd", "lnet", "rdma_cm"), module("selftest", "ko2iblnd"),
		module("ptlrpc", "lnet", "sunrpc", "crypto"), module("lnet", "crc"), module("ext4"),
	}
	o, err := OrderForeign(tree, "6.1", modules)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, m := range o.Foreign {
		order = append(order, m.Name)
	}
	if want := []string{"lnet", "ptlrpc", "lustre"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if want := []string{"kernel/crc.ko", "kernel/sunrpc.ko"}; !slices.Equal(o.Own, want) {
		t.Errorf("the kernel's own %v, want %v", o.Own, want)
	}
	if len(o.Left) != 2 || !strings.Contains(o.Left[0].Error(), "ko2iblnd is left out, because it needs rdma_cm") || !strings.Contains(o.Left[1].Error(), "selftest is left out") {
		t.Errorf("left out %v", o.Left)
	}

	other := module("lnet")
	other.Release = "6.2"
	for says, bad := range map[string][]ForeignModule{
		"extra/lnet.ko was built for kernel 6.2, not for 6.1": {module("lustre"), other},
		"twice": {module("lnet"), module("lnet")},
	} {
		if _, err := OrderForeign(tree, "6.1", bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", says, err)
		}
	}
}
