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
	"ovzpatch/internal/tool"
)

// livepatchSteps is what a system with systemd does that had the package before it came up.
const livepatchSteps = `#!/bin/sh
exec >/dev/console 2>&1
count=/sys/module/lustreprobe/parameters/lustre_umount_begin
loaded() { echo $(cd /sys/kernel/livepatch && ls) and $(cd /sys/module && ls -d ovzlivepatch* || echo none); }
rpm() { /usr/bin/rpm --dbpath /var/lib/rpm "$@"; }
force() {
	before=$(cat $count)
	unshare --pid --mount --fork sh -c 'mount -t lustre none /mnt && umount -f /mnt' || echo "guest: force failed"
	[ $(cat $count) != $before ] && echo vulnerable || echo protected
}
try() { "$@" >/said 2>&1; code=$?; cat /said; }
insmod /trial/lustreprobe.ko
echo "guest: booted: $(loaded), $(force), wrong kernel's: $(cd /run && ls -d wrong || echo no)"
try rpm -e livepatch-ovz-REL
echo "guest: removed: $code, $(loaded), $(force), $(grep -c ovzlivepatch /lib/modules/*/modules.dep)"
try rpm -i --nodeps /trial/1.rpm
echo "guest: installed: $code, $(loaded), $(force)"
try rpm -U --replacepkgs --nodeps /trial/1.rpm
echo "guest: once more: $code, $(loaded), $(force)"
for n in 1 2; do
	mkdir /tmp/$n
	unshare --pid --mount --fork sh -c "while [ ! -e /tmp/stop ]; do mount -t lustre none /tmp/$n && umount -f /tmp/$n; done" &
done
before=$(cat $count)
try rpm -U --nodeps /trial/2.rpm
echo "guest: upgraded: $code, $(loaded), $(($(cat $count) - before)) umount_begin"
touch /tmp/stop
wait
try rpm -U --nodeps /trial/3.rpm
unshare --pid --mount --fork sh -c 'mount -t lustre none /tmp/1 && umount -f /tmp/1' &
sleep 2
try rpm -e livepatch-ovz-REL
echo "guest: asleep: $code, $(loaded), enabled $(cat /sys/kernel/livepatch/ovzlivepatch_3/enabled), $(grep -c patch_state /said) named, $(rpm -qa | grep -c livepatch-ovz)"
wait
try rpm -e livepatch-ovz-REL
echo "guest: awake: $code, $(loaded), $(force)"
echo Y >/sys/module/module/parameters/sig_enforce
try rpm -i --nodeps /trial/1.rpm
echo "guest: unsigned: $(loaded), $(force), $(grep -c 'Loading of unsigned module is rejected' /said), $(grep -c 'not loaded, so containers are not protected' /said)"
try rpm -U --nodeps /trial/4.rpm
echo "guest: signed by a stranger: $(loaded), $(grep -c 'Loading of module with unavailable key is rejected' /said)"
echo "guest: complaints: $(dmesg | grep -cE 'kernel BUG|BUG: (unable|sleeping|scheduling|Bad)|WARNING:|Oops:')"
echo o >/proc/sysrq-trigger
sleep 1000
`

// signedModule makes revision 4 of the module, signed with a new key.
func signedModule(t *testing.T, image, modules string) (m livepatch.Module) {
	t.Helper()
	dir := t.TempDir()
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	req := exec.CommandContext(t.Context(), "openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Test of livepatches/", "-keyout", key, "-out", cert)
	if out, err := req.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	args := []string{"livepatch", "--kernel", image, "--modules", modules, "-o", dir, "--json", "--revision=4", "--sign-cert", cert}
	stdout, stderr, code := ovzpatch(t, append(args, "--sign-key", key)...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &m); err != nil {
		t.Fatal(err)
	}
	program, err := tool.Find("modinfo")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := exec.CommandContext(t.Context(), program, "-F", "signer", m.Path).Output()
	if got := strings.TrimSpace(string(signer)); err != nil || got != "Test of livepatches" || !m.Signed {
		t.Errorf("signed by %q (%v): %+v", got, err, m)
	}
	// A certificate is no key.
	if _, stderr, code := ovzpatch(t, append(args, "--sign-key", cert)...); code != 2 || !strings.Contains(stderr, "it holds no private key in PEM") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	return m
}

// The package in a system's image protects from when that boots; removed, installed, replaced by
// a newer one and refused it does what it says. No reboot, and no umount_begin in the upgrade.
func TestLivepatchPackage(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	release := filepath.Base(modules)
	r := newSmallRoot(t, "bash", "dmesg", "insmod", "modprobe", "mount", "rmmod", "rpm", "sleep", "tail", "touch", "umount", "unshare")
	r.tree(t, "/usr/lib/rpm", "/usr/lib/rpm")
	for _, name := range []string{"systemd", "systemd-executor"} { // the second since 255
		if path := "/usr/lib/systemd/" + name; exec.Command("test", "-e", path).Run() == nil {
			r.file(t, path)
			r.libraries(t, path)
		}
	}
	for _, unit := range []string{"sysinit.target", "basic.target", "shutdown.target"} {
		r.file(t, "/usr/lib/systemd/system/"+unit)
	}
	r.write(t, "/etc/machine-id", machineID+"\n", 0o444)
	r.write(t, "/etc/os-release", "ID=small\nPRETTY_NAME=\"Small Linux\"\n", 0o644)
	r.write(t, "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644)
	r.write(t, "/etc/group", "root:x:0:\n", 0o644)
	r.write(t, "/etc/systemd/system/steps.service", "[Unit]\nAfter=basic.target\nRequires=basic.target\n[Service]\nExecStart=/trial/steps\n", 0o644)
	r.must(t, os.Mkdir(r.path("/mnt"), 0o755))
	r.must(t, os.Mkdir(r.path("/trial"), 0o755))
	for _, name := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		data, err := os.ReadFile(filepath.Join(modules, name))
		r.must(t, err)
		r.write(t, "/lib/modules/"+release+"/"+name, string(data), 0o644)
	}
	ko, err := probe.Build(t.Context(), probe.Options{Tree: filepath.Join(modules, "build"), Dir: t.TempDir(), Release: release})
	r.must(t, err)
	r.must(t, atomicfile.Copy(ko, r.path("/trial/lustreprobe.ko")))
	for _, m := range []struct {
		revision int
		changes  []string
		to       string
	}{
		{1, nil, "/trial/1.rpm"},
		{2, nil, "/trial/2.rpm"},
		// Longer than the package waits for a task that sleeps in it.
		{3, sleepIn("60000"), "/trial/3.rpm"},
	} {
		r.must(t, atomicfile.Copy(changedModule(t, image, modules, m.revision, m.changes...).RPM, r.path(m.to)))
	}
	r.must(t, atomicfile.Copy(signedModule(t, image, modules).RPM, r.path("/trial/4.rpm")))
	if said := r.rpm(t, "-i", "--nodeps", r.path("/trial/1.rpm")); strings.Contains(said, "ovzlivepatch") || strings.Contains(said, "scriptlet") {
		t.Errorf("rpm -i into an image said %q", said)
	}
	called := calledAfter(release)
	r.write(t, "/trial/steps", strings.NewReplacer("livepatch-ovz-REL", "livepatch-ovz-"+called, "REL", release).Replace(livepatchSteps), 0o755)
	unit, err := os.ReadFile(r.path("/usr/lib/systemd/system/ovzlivepatch-" + called + ".service"))
	r.must(t, err)
	// The beginning of a release is another one.
	wrong := strings.NewReplacer(release, release[:len(release)-1], "/sbin/modprobe ovzlivepatch_1", "/bin/touch /run/wrong").Replace(string(unit))
	r.write(t, "/usr/lib/systemd/system/wrong.service", wrong, 0o644)
	r.must(t, os.Symlink("../wrong.service", r.path("/usr/lib/systemd/system/sysinit.target.wants/wrong.service")))

	initrd := filepath.Join(t.TempDir(), "initrd")
	pack := exec.CommandContext(t.Context(), "sh", "-c", `cd "$1" && find . | cpio -o -H newc --quiet >"$2"`, "sh", r.dir, initrd)
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	said := runGuest(t, "-smp", "2", "-kernel", image, "-initrd", initrd,
		"-append", "rdinit=/usr/lib/systemd/systemd systemd.unit=steps.service systemd.log_target=console console=ttyS0 panic=1 no_timer_check")
	want := []string{
		"guest: booted: ovzlivepatch_1 and ovzlivepatch_1, protected, wrong kernel's: no",
		"guest: removed: 0, and none, vulnerable, 0",
		"guest: installed: 0, ovzlivepatch_1 and ovzlivepatch_1, protected",
		"guest: once more: 0, ovzlivepatch_1 and ovzlivepatch_1, protected",
		"guest: upgraded: 0, ovzlivepatch_2 and ovzlivepatch_2, 0 umount_begin",
		"guest: asleep: 1, ovzlivepatch_3 and ovzlivepatch_3, enabled 1, 1 named, 1",
		"guest: awake: 0, and none, vulnerable",
		"guest: unsigned: and none, vulnerable, 1, 1",
		"guest: signed by a stranger: and none, 1",
		"guest: complaints: 0",
	}
	if !slices.Equal(said, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
}
