// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ovzpatch/internal/guest"
	"ovzpatch/specs"
)

// kbuild has two trees of one kernel, in ordinary and klp, with the same configuration.
type kbuild struct {
	t     *testing.T
	dir   string
	jobs  string
	ours  signer // its certificate is compiled into the kernel
	patch string
}

func (k kbuild) run(in, script string, args ...string) {
	k.t.Helper()
	cmd := exec.CommandContext(k.t.Context(), "sh", append([]string{"-ec", script, "sh"}, args...)...)
	cmd.Dir = filepath.Join(k.dir, in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		k.t.Fatalf("%s: %v\n%s", script, err, out[max(0, len(out)-8<<10):])
	}
}

// newKbuild unpacks the source, derives its port, and configures it small, to take livepatches, and signed ones by choice.
func newKbuild(t *testing.T, source string) kbuild {
	t.Helper()
	dir := t.TempDir()
	k := kbuild{t, dir, fmt.Sprintf("-j%d", runtime.NumCPU()), signer{key: filepath.Join(dir, "key.pem"), cert: filepath.Join(dir, "cert.pem")}, filepath.Join(dir, "port.patch")}
	if _, stderr, code := ovzpatch(t, "port", source, "-o", k.patch); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	_, config, err := specs.GuestConfig("mainline-6.1", "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	config, _ = specs.LivepatchConfig(config)
	config = fmt.Appendf(config, "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_SHA256=y\nCONFIG_SYSTEM_TRUSTED_KEYS=%q\n", k.ours.cert)
	if err := os.WriteFile(filepath.Join(dir, "config"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	k.run("", `openssl req -new -x509 -newkey rsa:2048 -nodes -subj "/CN=Compiled in/" -keyout "$1" -out "$2"`, k.ours.key, k.ours.cert)
	k.run("", `mkdir ordinary; tar -xf "$1" -C ordinary --strip-components=1; cp -al ordinary klp
for tree in ordinary klp; do
	make -s -C $tree KCONFIG_ALLCONFIG="$PWD/config" allnoconfig
	grep -q ^CONFIG_KLP_BUILD=y $tree/.config && grep -q ^CONFIG_SYSTEM_TRUSTED_KEYS= $tree/.config
done`, source)
	return k
}

// ordinary builds the kernel as anybody does, without the flags of klp-build.
func (k kbuild) ordinary() (image, modules string) {
	k.t.Helper()
	k.run("ordinary", `make -s "$1" bzImage modules; make -s INSTALL_MOD_PATH="$PWD/../root" modules_install`, k.jobs)
	trees, err := filepath.Glob(filepath.Join(k.dir, "root/lib/modules/*"))
	if err != nil || len(trees) != 1 {
		k.t.Fatalf("%v (%v)", trees, err)
	}
	return filepath.Join(k.dir, "ordinary/arch/x86/boot/bzImage"), trees[0]
}

// A kernel that was built without the flags of Linux' own klp-build takes the module that klp-build made of the port, and that
// passes the same trial as ours. The same kernel takes a module of ours that is signed with a key whose certificate
// is compiled into it, and no other.
func TestKlpBuild(t *testing.T) {
	long(t)
	source := os.Getenv("OVZPATCH_TEST_KLP_SOURCE")
	if source == "" {
		t.Skip("OVZPATCH_TEST_KLP_SOURCE names no tarball of Linux 7 (docs/livepatch.md says what this needs)")
	}
	k := newKbuild(t, source)
	image, modules := k.ordinary()
	t.Run("compiled-in-certificate", func(t *testing.T) {
		initrd := filepath.Join(t.TempDir(), "initrd")
		steps := strings.Replace(signedSteps, "echo o ", "echo b ", 1) // the kernel has no ACPI
		signedRoot(t, image, modules, steps, k.ours).archive(t, initrd)
		said := runGuest(t, "-no-reboot", "-kernel", image, "-initrd", initrd, "-append", "console=ttyS0 panic=1 no_timer_check module.sig_enforce=1")
		wantSaid(t, said, append([]string{"guest: secure boot: 0, , Y"}, signedSaid...)...)
	})
	t.Run("klp-build", func(t *testing.T) {
		k.run("klp", `scripts/livepatch/klp-build "$1" --no-replace -o "$PWD/../port.ko" "$2"`, k.jobs, k.patch)
		stdout, stderr, code := ovzpatch(t, "test", "--json", "--kernel", image, "--modules", modules, "--livepatch", filepath.Join(k.dir, "port.ko"))
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		wantStates(t, parseReport(t, stdout), guest.Vulnerable, guest.Protected, guest.Vulnerable, guest.Protected)
		if text, err := os.ReadFile(filepath.Join(k.dir, "klp/fs/namespace.c")); err != nil || strings.Contains(string(text), "Forced umount") {
			t.Errorf("klp-build left the patch in the tree (%v)", err)
		}
	})
}
