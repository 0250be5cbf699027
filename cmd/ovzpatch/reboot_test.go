// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/tool"
)

// guestInit is the whole system of the guest with a disk: one step each time it comes up.
const guestInit = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2>/dev/null
mount -t vfat /dev/vda1 /boot
try() {
	"$@" || echo "guest: $1 gave $?"
}
step=$(cat /step)
echo "guest: step $step runs $(uname -r)"
echo $((step + 1)) >/step
end=b
case $step in
0)
	export SYSTEMD_RELAX_ESP_CHECKS=1
	try bootctl install --esp-path=/boot --no-variables --make-entry-directory=yes
	try rpm -i --nodeps /root/old.rpm
	end=o
	;;
1) try rpm -i --nodeps /root/new.rpm ;;
2) try rpm -e NEW ;;
3) end=o ;;
esac
grep . /boot/loader/entries/*
umount /boot
mount -o remount,ro /
sync
echo "guest: step $step is over"
echo $end >/proc/sysrq-trigger
sleep 1000
`

// Where the two partitions of the disk lie, in sectors.
const (
	espStart, espSectors   = 2048, 128 << 11
	rootStart, rootSectors = espStart + espSectors, 512 << 11
	diskSectors            = rootStart + rootSectors + 2048
)

// A machine with a disk and a boot loader: the package is installed on it, after a reboot
// the new kernel runs, and once it is removed the old one again.
func TestInstalledKernelBootsByDefault(t *testing.T) {
	long(t)
	// The releases sort the other way round (x86_64 after lustre1), so that the new kernel
	// does not come up for its name.
	old, kernel := buildFor(t, "--without-patch"), buildFor(t)
	r := newSmallRoot(t, "bash", "kernel-install", "mount", "rpm", "sleep", "sync", "umount")
	r.forKernelInstall(t)
	r.must(t, os.RemoveAll(r.path("/boot")))
	r.must(t, os.Mkdir(r.path("/boot"), 0o755))
	r.tree(t, "/usr/lib/rpm", "/usr/lib/rpm")
	r.tree(t, "../../bin/test/systemd-boot/usr", "/usr")
	r.libraries(t, r.path("/usr/bin/bootctl"), "LD_LIBRARY_PATH="+r.path("/usr/lib/x86_64-linux-gnu/systemd"))
	r.write(t, "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644)
	r.write(t, "/etc/group", "root:x:0:\n", 0o644)
	r.write(t, "/step", "0\n", 0o644)
	r.write(t, "/sbin/init", strings.ReplaceAll(guestInit, "NEW", kernel.name), 0o755)
	r.must(t, atomicfile.Copy(old.path, r.path("/root/old.rpm")))
	r.must(t, atomicfile.Copy(kernel.path, r.path("/root/new.rpm")))
	g := &diskGuest{t: t, dir: t.TempDir()}
	g.makeDisk(r)

	// Whoever installs a system boots it from elsewhere.
	image := filepath.Join(g.dir, "bzImage")
	extract(t, old.path, "./boot/vmlinuz-"+old.release, image)
	said := g.run("-kernel", image, "-append", "root=/dev/vda2 rw console=ttyS0 panic=1 no_timer_check")
	said = append(said, g.run(
		"-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
		"-drive", "if=pflash,format=raw,file="+g.firmwareState())...)
	var want []string
	for step, release := range []string{old.release, old.release, kernel.release, old.release} {
		want = append(want, fmt.Sprintf("guest: step %d runs %s", step, release), fmt.Sprintf("guest: step %d is over", step))
	}
	if !slices.Equal(said, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
}

// diskGuest is a virtual machine with a disk of its own.
type diskGuest struct {
	t   *testing.T
	dir string
}

func (g *diskGuest) disk() string { return filepath.Join(g.dir, "disk") }

func (g *diskGuest) tool(stdin string, args ...string) {
	g.t.Helper()
	path, err := tool.Find(args[0])
	if err != nil {
		g.t.Fatal(err)
	}
	cmd := exec.CommandContext(g.t.Context(), path, args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		g.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// makeDisk makes a disk with an empty EFI system partition and the root directory as the
// second partition. Nothing is mounted for it.
func (g *diskGuest) makeDisk(r *smallRoot) {
	g.t.Helper()
	f, err := os.Create(g.disk())
	if err != nil {
		g.t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(diskSectors*512), f.Close()); err != nil {
		g.t.Fatal(err)
	}
	g.tool(fmt.Sprintf("label: gpt\nstart=%d, size=%d, type=U\nstart=%d, size=%d, type=L\n", espStart, espSectors, rootStart, rootSectors),
		"sfdisk", "--quiet", g.disk())
	g.tool("", "mkfs.vfat", "-F", "16", "--offset", fmt.Sprint(espStart), g.disk(), fmt.Sprint(espSectors/2))
	g.tool("", "mke2fs", "-q", "-t", "ext2", "-d", r.dir, "-E", fmt.Sprintf("offset=%d", rootStart*512), g.disk(), fmt.Sprintf("%dk", rootSectors/2))
}

// firmwareState is where the firmware keeps its variables.
func (g *diskGuest) firmwareState() string {
	g.t.Helper()
	path := filepath.Join(g.dir, "vars")
	if err := atomicfile.Copy("/usr/share/OVMF/OVMF_VARS_4M.fd", path); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// run runs the machine until it powers itself off, and returns the guest's own lines.
func (g *diskGuest) run(args ...string) []string {
	g.t.Helper()
	return runGuest(g.t, append([]string{"-drive", "if=virtio,format=raw,file=" + g.disk()}, args...)...)
}

// runGuest runs a machine until it powers itself off, and returns the guest's own lines.
func runGuest(t *testing.T, args ...string) []string {
	t.Helper()
	return typeInGuest(t, nil, args...)
}

// prompt is what a guest shows, and what is typed then.
type prompt struct{ shown, keys string }

// typeInGuest is runGuest of one that is typed to. It does not read its console where nothing is.
func typeInGuest(t *testing.T, prompts []prompt, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	accel, err := qemu.ChooseAccel(ctx, cache.Cache{Dir: defaultCache()})
	if err != nil {
		t.Fatal(err)
	}
	console := filepath.Join(t.TempDir(), "console")
	keys, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	var typing sync.WaitGroup
	typing.Go(func() {
		defer typed.Close()
		typeKeys(ctx, console, prompts, typed)
	})
	chardev := "file,id=console,path=/dev/fd/1"
	if prompts != nil {
		chardev = "stdio,id=console,signal=off"
	}
	var said []string
	err = command.Run(ctx, command.Cmd{
		Args: append([]string{
			qemu.Program, "-accel", accel.Name, "-M", "pc", "-cpu", "qemu64", "-m", "768",
			"-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
			"-chardev", chardev, "-serial", "chardev:console",
		}, args...),
		Stdin: keys,
		Log:   console,
		Line: func(line string) {
			if _, word, ok := strings.Cut(line, "guest: "); ok {
				said = append(said, "guest: "+word)
			}
		},
	})
	cancel()
	typing.Wait()
	if err != nil {
		t.Errorf("%v", err)
	}
	if err != nil || t.Failed() {
		text, _ := os.ReadFile(console)
		t.Logf("the console:\n%s", text)
	}
	return said
}

// typeKeys types what belongs to each prompt once it is shown, in their order.
func typeKeys(ctx context.Context, console string, prompts []prompt, to io.Writer) {
	read := 0
	for _, p := range prompts {
		for {
			text, _ := os.ReadFile(console)
			if len(text) > read && strings.Contains(string(text[read:]), p.shown) {
				break
			}
			if ctx.Err() != nil {
				return
			}
			time.Sleep(200 * time.Millisecond)
		}
		// A menu takes no keys before it is drawn to its end.
		time.Sleep(2 * time.Second)
		text, _ := os.ReadFile(console)
		read = len(text)
		io.WriteString(to, p.keys)
	}
}
