// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/probe"
)

// asleepSteps load the livepatch while a container's umount sleeps in the old function, and another container forces.
const asleepSteps = `#!/bin/sh
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
exec >/dev/console 2>&1
insmod /trial/lustreprobe.ko
probe=/sys/module/lustreprobe/parameters
transition=/sys/kernel/livepatch/ovzlivepatch_1/transition
force() { unshare --pid --mount --fork sh -c "mount -t lustre none /mnt/$1 && umount -f /mnt/$1"; }
status() { /trial/ovzpatch livepatch status >/said; code=$?; cat /said; }
begun() { cat $probe/lustre_umount_begin; }
mkdir /mnt/1 /mnt/2
echo 30000 >$probe/sleep_ms
force 1 &
while [ $(begun) = 0 ]; do sleep 0.1; done
insmod /trial/ovzlivepatch_1.ko
sleep 5
status
echo "guest: asleep: $code, $(grep -c '^containers are not protected$' /said), waits for: $(sed -n 's/.*waits for thread [0-9]* (\(.*\)):.*/\1/p' /said), transition $(cat $transition)"
force 2
echo "guest: new call: $(begun) umount_begin"
rmmod ovzlivepatch_1 || echo "guest: stays"
wait
while [ $(cat $transition) != 0 ]; do sleep 0.1; done
status
echo "guest: awake: $code, $(grep -c 'containers are protected' /said), $(begun) umount_begin"
echo "guest: complaints: $(dmesg | grep -cE 'kernel BUG|BUG: (unable|sleeping|scheduling|Bad)|WARNING:|Oops:')"
echo o >/proc/sysrq-trigger
sleep 1000
`

// A task that sleeps in the old function keeps the livepatch from being in effect for all, and is named. What
// is called after that goes by the new way.
func TestLivepatchLoadedWhileAnUmountSleeps(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	r := newSmallRoot(t, "bash", "dmesg", "insmod", "mount", "rmmod", "sleep", "umount", "unshare")
	r.must(t, os.Mkdir(r.path("/mnt"), 0o755))
	r.must(t, os.Mkdir(r.path("/trial"), 0o755))
	r.write(t, "/init", asleepSteps, 0o755)
	r.must(t, atomicfile.Copy(changedModule(t, image, modules, 1).Path, r.path("/trial/ovzlivepatch_1.ko")))
	ko, err := probe.Build(t.Context(), probe.Options{Tree: filepath.Join(modules, "build"), Dir: t.TempDir(), Release: filepath.Base(modules)})
	r.must(t, err)
	r.must(t, atomicfile.Copy(ko, r.path("/trial/lustreprobe.ko")))
	r.must(t, atomicfile.Copy("../../bin/ovzpatch", r.path("/trial/ovzpatch")))
	r.must(t, os.Chmod(r.path("/trial/ovzpatch"), 0o755))
	r.libraries(t, "../../bin/ovzpatch")
	initrd := filepath.Join(t.TempDir(), "initrd")
	r.archive(t, initrd)
	said := runGuest(t, "-smp", "2", "-kernel", image, "-initrd", initrd, "-append", "console=ttyS0 panic=1 no_timer_check")
	wantSaid(t, said,
		"guest: asleep: 4, 1, waits for: umount, transition 1",
		"guest: new call: 1 umount_begin",
		"guest: stays",
		"guest: awake: 0, 1, 1 umount_begin",
		"guest: complaints: 0",
	)
}
