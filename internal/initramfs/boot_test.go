// SPDX-License-Identifier: Apache-2.0

package initramfs_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/initramfs"
	"ovzpatch/internal/qemu"
)

// console answers each prompt of the guest's shell with the next line.
type console struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines []string
	keys  io.Writer
}

// prompt of u-root's shell, with what its line editor draws around it.
var prompt = regexp.MustCompile(`\$ (\x1b\[[0-9;]*[A-Za-z])*$`)

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(p)
	if len(c.lines) > 0 && prompt.Match(c.text.Bytes()) {
		io.WriteString(c.keys, c.lines[0]+"\n")
		c.lines = c.lines[1:]
	}
	return len(p), nil
}

// The real archive on a real kernel: /init starts, and u-root's commands are where people
// and scripts look for them.
func TestBoots(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest")
	}
	kernel := os.Getenv("OVZPATCH_TEST_KERNEL")
	if kernel == "" {
		t.Fatal("OVZPATCH_TEST_KERNEL must name a bzImage that takes an initramfs; `make test` sets it")
	}
	const guest = "../../bin/guest/amd64/" // `make guest` builds what is there
	c := cache.Cache{Dir: t.TempDir()}
	archive, err := initramfs.Build(c, initramfs.Image{
		Base: guest + "uroot.cpio", Init: guest + "umounttest",
		Files: map[string]initramfs.Content{"/etc/note": {Data: []byte("a note from outside\n")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d KiB", archive.Size>>10)
	accel, err := qemu.ChooseAccel(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	in, keys, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer keys.Close()
	screen := &console{keys: keys, lines: []string{
		"cat /etc/note",
		"/bin/mkdir /tmp/m; /bbin/mount -t tmpfs none /tmp/m; grep /tmp/m /proc/mounts",
		"umount -f /tmp/m; grep -c /tmp/m /proc/mounts",
		"umount -f /tmp/m",
		// After a command that failed, too: people come here for such.
		"exit 7",
	}}
	m := qemu.Machine{
		Arch: "x86_64", Accel: accel, Kernel: kernel, Initrd: archive.Path,
		Append: []string{"umounttest.mode=shell", "quiet"},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err = m.Interact(ctx, in, screen)
	text := screen.text.String()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"a note from outside", "none /tmp/m tmpfs", "invalid argument", "the shell ended with status 7"} {
		if !strings.Contains(text, want) {
			t.Errorf("the console lacks %q:\n%s", want, text)
		}
	}
}
