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

// A key for tests, which everybody has. The firmware's variables beside it trust its certificate, and Debian's
// kernels trust for modules what the firmware trusts.
const (
	firmwareKey  = "/usr/share/ovmf/PkKek-1-snakeoil.key"
	firmwareCert = "/usr/share/ovmf/PkKek-1-snakeoil.pem"
	firmwareVars = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"
	firmwarePIN  = "snakeoil"
)

// signedSteps load a livepatch that is not signed, one signed by a stranger, and one that is trusted.
const signedSteps = `#!/bin/sh
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
insmod /trial/lustreprobe.ko
echo "guest: before: $(force)"
echo "guest: unsigned: $(try unsigned 'Loading of unsigned module is rejected'), $(force)"
echo "guest: signed by a stranger: $(try stranger 'Loading of module with unavailable key is rejected'), $(force)"
echo "guest: trusted: $(try trusted "livepatch: enabling patch 'ovzlivepatch_1'")"
while [ $(cat /sys/kernel/livepatch/*/transition) != 0 ]; do sleep 0.1; done
echo "guest: in effect: $(ls /sys/kernel/livepatch), $(force), $(dmesg | grep -c 'Overriding MNT_FORCE flag')"
echo o >/proc/sysrq-trigger
sleep 1000
`

// trustedModule makes the module, signed with the key that the firmware trusts.
func trustedModule(t *testing.T, image, modules string) (m livepatch.Module) {
	t.Helper()
	t.Setenv("KBUILD_SIGN_PIN", firmwarePIN)
	stdout, stderr, code := ovzpatch(t, "livepatch", "--kernel", image, "--modules", modules, "-o", t.TempDir(), "--json", "--sign-key", firmwareKey, "--sign-cert", firmwareCert)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// A kernel under lockdown, as Secure Boot wants it, loads a livepatch that is signed with a key it trusts, and no other.
func TestSignedLivepatchUnderSecureBoot(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	r := newSmallRoot(t, "bash", "dmesg", "insmod", "mount", "sleep", "umount", "unshare")
	r.must(t, os.Mkdir(r.path("/mnt"), 0o755))
	r.must(t, os.Mkdir(r.path("/trial"), 0o755))
	r.write(t, "/init", signedSteps, 0o755)
	for name, ko := range map[string]string{
		"unsigned": changedModule(t, image, modules, 1).Path,
		"stranger": signedModule(t, image, modules).Path,
		"trusted":  trustedModule(t, image, modules).Path,
	} {
		r.must(t, atomicfile.Copy(ko, r.path("/trial/"+name+".ko")))
	}
	ko, err := probe.Build(t.Context(), probe.Options{Tree: filepath.Join(modules, "build"), Dir: t.TempDir(), Release: filepath.Base(modules)})
	r.must(t, err)
	r.must(t, atomicfile.Copy(ko, r.path("/trial/lustreprobe.ko")))
	sign := exec.CommandContext(t.Context(), filepath.Join(modules, "build/scripts/sign-file"), "sha256", firmwareKey, firmwareCert, r.path("/trial/lustreprobe.ko"))
	if out, err := sign.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	initrd, vars := filepath.Join(t.TempDir(), "initrd"), filepath.Join(t.TempDir(), "vars")
	pack := exec.CommandContext(t.Context(), "sh", "-c", `cd "$1" && find . | cpio -o -H newc --quiet >"$2"`, "sh", r.dir, initrd)
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.must(t, atomicfile.Copy(firmwareVars, vars))
	said := runGuest(t, "-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive", "if=pflash,format=raw,file="+vars,
		"-kernel", image, "-initrd", initrd, "-append", "console=ttyS0 panic=1 no_timer_check")
	want := []string{
		"guest: secure boot: 1, none [integrity] confidentiality, Y",
		"guest: before: vulnerable",
		"guest: unsigned: 1, 1, vulnerable",
		"guest: signed by a stranger: 1, 1, vulnerable",
		"guest: trusted: 0, 1",
		"guest: in effect: ovzlivepatch_1, protected, 1",
	}
	if !slices.Equal(said, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
}
