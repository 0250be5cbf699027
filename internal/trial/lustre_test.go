// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"ovzpatch/internal/initramfs"
)

func TestUnpackOverGoesThroughNoLink(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	first, second, root := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "root")
	if err := os.Symlink(victim, filepath.Join(first, "f")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(second, "f"), []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{first, second} {
		if err := unpackOver(t.Context(), from, root); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("the file behind the link is now %q (%v)", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "f")); err != nil || string(b) != "theirs" {
		t.Errorf("the tree has %q (%v)", b, err)
	}
}

// ptlrpc starts LNet as it is loaded, and nothing in the guest answers when LNet then asks
// for its driver.
func TestModuleFilesLoadDriversFirst(t *testing.T) {
	modules := []initramfs.ForeignModule{
		{Name: "ptlrpc", File: "fs/ptlrpc.ko", Release: "1", Depends: []string{"lnet"}},
		{Name: "lnet", File: "net/lnet.ko", Release: "1"},
		{Name: "ksocklnd", File: "net/ksocklnd.ko", Release: "1", Depends: []string{"lnet"}},
	}
	order, err := initramfs.OrderForeign(fstest.MapFS{}, "1", driversFirst(modules))
	if err != nil {
		t.Fatal(err)
	}
	files := moduleFiles("1", order.Foreign, map[string][]byte{"net/lnet.ko": []byte("image")})
	want := "/lib/modules/1/extra/lnet.ko\n/lib/modules/1/extra/ksocklnd.ko\n/lib/modules/1/extra/ptlrpc.ko\n"
	if got := string(files["/etc/umounttest/lustre-modules"].Data); got != want {
		t.Errorf("loaded in the order\n%swant\n%s", got, want)
	}
	if got := string(files["/lib/modules/1/extra/lnet.ko"].Data); got != "image" {
		t.Errorf("lnet.ko has %q", got)
	}
}
