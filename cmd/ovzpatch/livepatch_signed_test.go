// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/livepatch"
	"ovzpatch/internal/probe"
)

// signer is a key for tests, and its certificate.
type signer struct{ key, cert, pin string }

// snakeoil is a key that everybody has. Some variables of the firmware trust its certificate, and Debian's kernels
// trust for modules what the firmware trusts.
var snakeoil = signer{"/usr/share/ovmf/PkKek-1-snakeoil.key", "/usr/share/ovmf/PkKek-1-snakeoil.pem", "snakeoil"}

// The firmware, and its variables with Secure Boot on: those of the key above, and those of Microsoft's keys.
const (
	firmwareCode  = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	snakeoilVars  = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"
	microsoftVars = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
)

// signedHead is how the scripts below begin.
const signedHead = `#!/bin/sh
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t securityfs none /sys/kernel/security
exec >/dev/console 2>&1
count=/sys/module/lustreprobe/parameters/lustre_umount_begin
force() {
	before=$(cat $count)
	unshare --pid --mount --fork sh -c 'mount -t lustre none /mnt && umount -f /mnt' || echo "guest: force failed"
	[ $(cat $count) != $before ] && echo vulnerable || echo protected
}
try() { dmesg -C; insmod /trial/$1.ko; echo "$?, $(dmesg | grep -c "$2")"; }
echo "guest: secure boot: $(dmesg | grep -c 'Secure boot enabled'), $(cat /sys/kernel/security/lockdown), $(cat /sys/module/module/parameters/sig_enforce)"
`

// signedSteps load a livepatch that is not signed, one signed by a stranger, and one that is trusted.
const signedSteps = `insmod /trial/lustreprobe.ko
echo "guest: before: $(force)"
echo "guest: unsigned: $(try unsigned 'Loading of unsigned module is rejected'), $(force)"
echo "guest: signed by a stranger: $(try stranger 'Loading of module with unavailable key is rejected'), $(force)"
echo "guest: trusted: $(try trusted "livepatch: enabling patch 'ovzlivepatch_1'")"
while [ $(cat /sys/kernel/livepatch/*/transition) != 0 ]; do sleep 0.1; done
echo "guest: in effect: $(ls /sys/kernel/livepatch), $(force), $(dmesg | grep -c 'Overriding MNT_FORCE flag')"
echo o >/proc/sysrq-trigger
sleep 1000
`

// lockedDown, and what signedSteps say.
const lockedDown = "guest: secure boot: 1, none [integrity] confidentiality, Y"

var signedSaid = []string{
	"guest: before: vulnerable",
	"guest: unsigned: 1, 1, vulnerable",
	"guest: signed by a stranger: 1, 1, vulnerable",
	"guest: trusted: 0, 1",
	"guest: in effect: ovzlivepatch_1, protected, 1",
}

// trustedModule makes the module, signed with a key that the guest trusts.
func trustedModule(t *testing.T, image, modules string, trusted signer) (m livepatch.Module) {
	t.Helper()
	stdout, stderr, code := ovzpatch(t, "livepatch", "--kernel", image, "--modules", modules, "-o", t.TempDir(), "--json", "--sign-key", trusted.key, "--sign-cert", trusted.cert)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// signedRoot makes a root with the three modules and a probe, whose init are the steps.
func signedRoot(t *testing.T, image, modules, steps string, trusted signer) *smallRoot {
	t.Helper()
	r := newSmallRoot(t, "bash", "dmesg", "insmod", "mount", "sleep", "umount", "unshare")
	r.must(t, os.Mkdir(r.path("/mnt"), 0o755))
	r.must(t, os.Mkdir(r.path("/trial"), 0o755))
	r.write(t, "/init", signedHead+steps, 0o755)
	t.Setenv("KBUILD_SIGN_PIN", trusted.pin)
	for name, ko := range map[string]string{
		"unsigned": changedModule(t, image, modules, 1).Path,
		"stranger": signedModule(t, image, modules).Path,
		"trusted":  trustedModule(t, image, modules, trusted).Path,
	} {
		r.must(t, atomicfile.Copy(ko, r.path("/trial/"+name+".ko")))
	}
	ko, err := probe.Build(t.Context(), probe.Options{Tree: filepath.Join(modules, "build"), Dir: t.TempDir(), Release: filepath.Base(modules)})
	r.must(t, err)
	r.must(t, atomicfile.Copy(ko, r.path("/trial/lustreprobe.ko")))
	sign := exec.CommandContext(t.Context(), filepath.Join(modules, "build/scripts/sign-file"), "sha256", trusted.key, trusted.cert, r.path("/trial/lustreprobe.ko"))
	if out, err := sign.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r
}

// archive packs the root into an initramfs.
func (r *smallRoot) archive(t *testing.T, initrd string) {
	t.Helper()
	pack := exec.CommandContext(t.Context(), "sh", "-c", `cd "$1" && find . | cpio -o -H newc --quiet >"$2"`, "sh", r.dir, initrd)
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// underSecureBoot are QEMU's arguments for the firmware with a copy of such variables.
func underSecureBoot(t *testing.T, from string) []string {
	t.Helper()
	vars := filepath.Join(t.TempDir(), "vars")
	if err := atomicfile.Copy(from, vars); err != nil {
		t.Fatal(err)
	}
	return []string{"-drive", "if=pflash,format=raw,readonly=on,file=" + firmwareCode, "-drive", "if=pflash,format=raw,file=" + vars}
}

// wantSaid compares what a guest said.
func wantSaid(t *testing.T, said []string, want ...string) {
	t.Helper()
	if !slices.Equal(said, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
}

// A kernel under lockdown, as Secure Boot wants it, loads a livepatch that is signed with a key it trusts, and no other.
func TestSignedLivepatchUnderSecureBoot(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	initrd := filepath.Join(t.TempDir(), "initrd")
	signedRoot(t, image, modules, signedSteps, snakeoil).archive(t, initrd)
	said := runGuest(t, append(underSecureBoot(t, snakeoilVars), "-kernel", image, "-initrd", initrd, "-append", "console=ttyS0 panic=1 no_timer_check")...)
	wantSaid(t, said, append([]string{lockedDown}, signedSaid...)...)
}

// importSteps ask shim for the key, once, and boot again.
const importSteps = `insmod /trial/efivarfs.ko
mount -t efivarfs none /sys/firmware/efi/efivars
if ! mokutil --list-enrolled | grep -q 'CN *= *Test of MOK'; then
	echo "guest: not enrolled: $(try trusted 'Loading of module with unavailable key is rejected')"
	printf 'secret12\nsecret12\n' | mokutil --import /trial/mok.der && echo "guest: imported"
	echo b >/proc/sysrq-trigger
	sleep 1000
fi
`

const loaderConfig = `set timeout=0
search --file --set=root /vmlinuz
linux /vmlinuz console=ttyS0 panic=1 no_timer_check
initrd /initrd
boot
`

// mokManager is what shim's MokManager shows, and what is answered. Its menus begin with another entry.
var mokManager = []prompt{
	{"Press any key to perform MOK management", " "},
	{"Enroll MOK", "\x1b[B\r"},
	{"Continue", "\x1b[B\r"},
	{"Enroll the key", "\x1b[B\r"},
	{"Password:", "secret12\r"},
	{"Reboot", "\r"},
}

// The way of an administrator who has a key of their own: mokutil, a reboot, shim's questions, and the kernel, which shim
// and grub check, loads what is signed with that key.
func TestSignedLivepatchByMokutil(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	shim, err := filepath.Abs("../../bin/test/shim")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ours := signer{key: filepath.Join(dir, "key.pem"), cert: filepath.Join(dir, "cert.pem")}
	der := filepath.Join(dir, "mok.der")
	keys := exec.CommandContext(t.Context(), "sh", "-ec", `openssl req -new -x509 -newkey rsa:2048 -nodes -subj "/CN=Test of MOK/" -addext extendedKeyUsage=codeSigning -keyout "$1" -out "$2"
openssl x509 -in "$2" -outform DER -out "$3"`, "sh", ours.key, ours.cert, der)
	if out, err := keys.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := signedRoot(t, image, modules, importSteps+signedSteps, ours)
	r.tree(t, filepath.Join(shim, "usr/bin"), "/usr/bin")
	libraries := filepath.Join(shim, "usr/lib/x86_64-linux-gnu")
	if _, err := os.Stat(libraries); err == nil {
		r.tree(t, libraries, "/usr/lib/x86_64-linux-gnu")
	}
	r.libraries(t, r.path("/usr/bin/mokutil"), "LD_LIBRARY_PATH="+libraries)
	r.must(t, atomicfile.Copy(der, r.path("/trial/mok.der")))
	r.must(t, atomicfile.Copy(filepath.Join(modules, "kernel/fs/efivarfs/efivarfs.ko"), r.path("/trial/efivarfs.ko")))

	// What the firmware starts is a directory that QEMU shows as a disk.
	esp := &smallRoot{t.TempDir()}
	for from, to := range map[string]string{
		filepath.Join(shim, "usr/lib/shim/shimx64.efi.signed"):                   "EFI/BOOT/BOOTX64.EFI",
		filepath.Join(shim, "usr/lib/shim/mmx64.efi.signed"):                     "EFI/BOOT/mmx64.efi",
		filepath.Join(shim, "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"): "EFI/BOOT/grubx64.efi",
		image: "vmlinuz",
	} {
		r.must(t, os.MkdirAll(filepath.Dir(esp.path(to)), 0o755))
		r.must(t, atomicfile.Copy(from, esp.path(to)))
	}
	esp.write(t, "EFI/debian/grub.cfg", loaderConfig, 0o644)
	r.archive(t, esp.path("initrd"))
	said := typeInGuest(t, mokManager, append(underSecureBoot(t, microsoftVars), "-drive", "if=virtio,format=raw,readonly=on,file=fat:"+esp.dir)...)
	wantSaid(t, said, slices.Concat([]string{lockedDown, "guest: not enrolled: 1, 1", "guest: imported", lockedDown}, signedSaid)...)
}
