// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/livepatch"
	"ovzpatch/internal/report"
	"ovzpatch/kmod"
)

// stockKernel is Debian's own, which `make test` unpacks.
func stockKernel(t *testing.T) (image, modules string) {
	t.Helper()
	images, _ := filepath.Glob("../../bin/test/debian/boot/vmlinuz-*")
	trees, _ := filepath.Glob("../../bin/test/debian/lib/modules/*")
	if len(images) != 1 || len(trees) != 1 {
		t.Fatalf("want one kernel of Debian's in bin/test/debian, have %v and %v: run the tests with `make test`, or make bin/test/debian", images, trees)
	}
	return images[0], trees[0]
}

// wantStates compares the verdicts of the states that were reached.
func wantStates(t *testing.T, r report.Report, want ...guest.Verdict) {
	t.Helper()
	labels := []string{"not loaded", "loaded", "disabled", "loaded again"}
	if len(r.Kernels) != len(want) {
		t.Fatalf("%d states, want %d: %+v", len(r.Kernels), len(want), r.Kernels)
	}
	for i, k := range r.Kernels {
		if k.Label != labels[i] || k.Verdict != want[i] {
			t.Errorf("%s is %s, want %s to be %s: %v", k.Label, k.Verdict, labels[i], want[i], k.Notes)
		}
	}
}

// One module, in one boot: it protects, by all cases, lets go, and protects again.
func TestLivepatch(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	dir := t.TempDir()
	if _, stderr, code := ovzpatch(t, "livepatch", "--kernel", image, "--modules", modules, "-o", dir); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	stdout, stderr, code := ovzpatch(t, "test", "--json", "--kernel", image, "--modules", modules, "--livepatch", filepath.Join(dir, livepatch.Name(1)+".ko"))
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	r := parseReport(t, stdout)
	wantStates(t, r, guest.Vulnerable, guest.Protected, guest.Vulnerable, guest.Protected)
	for _, k := range r.Kernels {
		least, most := 12, 20
		if k.Label == "loaded" {
			least, most = 120, 1000
		}
		if n := len(k.Results); n < least || n > most {
			t.Errorf("%s: %d cases, want %d to %d", k.Label, n, least, most)
		}
	}
}

// wrongModules are modules that must not pass. Each is ours with a change.
var wrongModules = []struct {
	name, old, new string
	want           []guest.Verdict // of the states that are reached
	note           string          // in the last of them
}{
	{
		name: "silent", old: "if (flags & OVERRIDE)\n", new: "if (false)\n",
		want: []guest.Verdict{guest.Vulnerable, guest.Faulty, guest.Vulnerable, guest.Faulty},
	},
	{
		// kthreadd never leaves its function, so it is never patched.
		name: "never in effect", old: "static struct klp_func funcs[] = {\n",
		new:  "static int stuck(void *unused)\n{\n\treturn 0;\n}\n\nstatic struct klp_func funcs[] = {\n\t{ .old_name = \"kthreadd\", .new_func = stuck },\n",
		want: []guest.Verdict{guest.Vulnerable, guest.Faulty}, note: "(kthreadd)",
	},
	{
		name: "survives", old: ".callbacks = { .pre_patch = check_entry },", new: ".callbacks = { .pre_patch = check_entry, .post_unpatch = survive },",
		want: []guest.Verdict{guest.Vulnerable, guest.Protected, guest.Faulty, guest.Faulty}, note: "remove the livepatch's module",
	},
	{
		name: "for another build", old: "#include \"build-id.h\"\n", new: "static const u8 ovz_build_id[] = { 1, 2, 3 };\n",
		want: []guest.Verdict{guest.Vulnerable, guest.Faulty}, note: "made for the kernel with build id 010203",
	},
}

// survivor goes before what survives a disabled livepatch.
const survivor = `
#include <linux/kprobes.h>

static int drop(struct kprobe *p, struct pt_regs *regs)
{
	if (container_forces_lustre((struct path *)regs->di, regs->si))
		regs->si &= ~MNT_FORCE;
	return 0;
}

static struct kprobe dropper = { .symbol_name = "path_umount", .pre_handler = drop };

static void survive(struct klp_object *obj)
{
	__module_get(THIS_MODULE);
	register_kprobe(&dropper);
}

/* A name of NULL is the kernel itself. */
`

// changedModule makes the module from our source, in which each old text, followed by its new
// one in changes, is replaced once.
func changedModule(t *testing.T, image, modules string, revision int, changes ...string) *livepatch.Module {
	t.Helper()
	source := fstest.MapFS{}
	for _, name := range []string{"Kbuild", "old.S", "old.h", "umount.c"} {
		text, err := fs.ReadFile(kmod.Livepatch(), name)
		if err != nil {
			t.Fatal(err)
		}
		source[name] = &fstest.MapFile{Data: text, Mode: 0o644}
	}
	text := string(source["umount.c"].Data)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("the module lacks %q", changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	source["umount.c"].Data = []byte(text)
	m, err := livepatch.Build(t.Context(), livepatch.Options{
		Image: image, Modules: modules, Release: filepath.Base(modules), Output: t.TempDir(), Report: job.Quiet{}, Source: source, Revision: revision,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sleepIn changes the module so that a task sleeps in it, for milliseconds.
func sleepIn(ms string) []string {
	return []string{"\tbarrier();\n", "\tmsleep(" + ms + ");\n", "#include <linux/elf.h>\n", "#include <linux/delay.h>\n#include <linux/elf.h>\n"}
}

func TestWrongLivepatches(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	for _, w := range wrongModules {
		t.Run(strings.ReplaceAll(w.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			changes := []string{w.old, w.new}
			if w.name == "survives" {
				changes = append(changes, "/* A name of NULL is the kernel itself. */\n", survivor)
			}
			module := changedModule(t, image, modules, 1, changes...).Path
			stdout, stderr, code := ovzpatch(t, "test", "--json", "--kernel", image, "--modules", modules, "--livepatch", module, "--cases", "force-idle|force-busy|host-force$")
			if code != 4 {
				t.Fatalf("exit code %d, want 4\n%s", code, stderr)
			}
			r := parseReport(t, stdout)
			wantStates(t, r, w.want...)
			if notes := strings.Join(r.Kernels[len(r.Kernels)-1].Notes, "\n"); !strings.Contains(notes, w.note) {
				t.Errorf("the last state's notes lack %q: %s", w.note, notes)
			}
		})
	}
}

// loadScript loads and unloads the livepatch while two containers force without a pause. It
// prints how often umount_begin ran in a second, once it is in effect, and once it is gone.
const loadScript = `
ko=$(echo /lib/modules/*/extra/ovzlivepatch_1.ko)
lp=/sys/kernel/livepatch/ovzlivepatch_1
count=/sys/module/lustreprobe/parameters/lustre_umount_begin
mkdir -p /tmp/1 /tmp/2
for n in 1 2; do
	echo "while true; do mount -t lustre none /tmp/$n && umount -f /tmp/$n; done" >/tmp/force$n
done
unshare -pid -mount gosh /tmp/force1 &
unshare -pid -mount gosh /tmp/force2 &
n=0
while [ $n != 3 ]; do
	insmod $ko && echo loaded
	while [ "$(cat $lp/transition)" != 0 ]; do sleep 0.1; done
	a=$(cat $count); sleep 2; b=$(cat $count); echo "in effect: $((b - a))"
	insmod $ko || echo refused
	echo 0 >$lp/enabled
	while [ -e $lp ]; do sleep 0.1; done
	a=$(cat $count); sleep 2; b=$(cat $count); echo "gone: $((b - a))"
	rmmod ovzlivepatch_1 && echo unloaded
	n=$((n + 1))
done
for word in kernel.BUG BUG:.unable BUG:.sleeping BUG:.scheduling BUG:.Bad WARNING: Oops:; do dmesg | grep $word; [ -z "$(dmesg | grep $word)" ] || echo trouble; done
echo "messages: $(dmesg | grep -c 'Overriding MNT_FORCE flag')"
exit 0
`

// inGuest runs a script in a guest that has the module, and returns what the console showed.
func inGuest(t *testing.T, image, modules, module, script string) string {
	t.Helper()
	in := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(in, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := ovzpatchIn(t, []string{"sh", "-c", `exec "$0" "$@" <` + in}, "shell", "--cpus=2", "--kernel", image, "--modules", modules, "--livepatch", module)
	if code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	return stdout
}

// Loaded and unloaded under fire it holds what its transition says, and leaves nothing behind.
// What the kernel says of time (soft lockups, stalls) does not count: a guest whose host had no time
// for its processors said so, with all else as it should be.
func TestLivepatchWhileContainersForce(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	dir := t.TempDir()
	if _, stderr, code := ovzpatch(t, "livepatch", "--kernel", image, "--modules", modules, "-o", dir); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	stdout := inGuest(t, image, modules, filepath.Join(dir, livepatch.Name(1)+".ko"), loadScript)
	effect, gone := 0, 0
	for _, m := range regexp.MustCompile(`(in effect|gone): (-?\d+)`).FindAllStringSubmatch(stdout, -1) {
		switch n := m[2]; {
		case m[1] == "in effect":
			effect++
			if n != "0" {
				t.Errorf("%s calls of umount_begin while the livepatch is in effect", n)
			}
		case n == "0":
			t.Error("nobody forced anything, so nothing was tried")
		default:
			gone++
		}
	}
	messages := regexp.MustCompile(`messages: (\d+)`).FindStringSubmatch(stdout)
	if effect != 3 || gone != 3 || strings.Count(stdout, "refused") != 3 || strings.Count(stdout, "unloaded") != 3 || messages == nil || messages[1] == "0" {
		t.Errorf("%d times in effect, %d times gone:\n%s", effect, gone, stdout)
	}
	if strings.Contains(stdout, "trouble") {
		t.Errorf("the kernel complained:\n%s", stdout)
	}
}

// sleepScript disables the livepatch while a container's umount sleeps in it.
const sleepScript = `
lp=/sys/kernel/livepatch/ovzlivepatch_1
insmod /lib/modules/*/extra/ovzlivepatch_1.ko
while [ "$(cat $lp/transition)" != 0 ]; do sleep 0.1; done
mkdir /tmp/1
echo "mount -t lustre none /tmp/1 && umount -f /tmp/1 && echo umounted >/tmp/over" >/tmp/force
unshare -pid -mount gosh /tmp/force &
while [ -z "$(dmesg | grep 'Overriding MNT_FORCE flag')" ]; do sleep 0.1; done
echo 0 >$lp/enabled
sleep 2
echo "over: $(cat /tmp/over), transition: $(cat $lp/transition), states:" $(cat /proc/*/patch_state | grep 1)
rmmod ovzlivepatch_1 || echo refused
while [ -e $lp ]; do sleep 0.1; done
echo "then: $(cat /sys/module/lustreprobe/parameters/lustre_umount_begin) umount_begin"
sleep 1
cat /tmp/over
rmmod ovzlivepatch_1 && echo unloaded
for word in kernel.BUG BUG:.unable BUG:.sleeping BUG:.scheduling BUG:.Bad WARNING: Oops:; do [ -z "$(dmesg | grep $word)" ] || echo trouble; done
exit 0
`

// A livepatch stays in effect for a task that sleeps in it, and its module in the kernel.
func TestLivepatchDisabledWhileAnUmountSleeps(t *testing.T) {
	long(t)
	image, modules := stockKernel(t)
	module := changedModule(t, image, modules, 1, sleepIn("10000")...).Path
	stdout := strings.ReplaceAll(inGuest(t, image, modules, module, sleepScript), "\r\n", "\n")
	for _, want := range []string{"over: , transition: 1, states: 1\n", "\nrefused\n", "\nthen: 0 umount_begin\n", "\numounted\n", "\nunloaded\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the guest does not show %q", want)
		}
	}
	if strings.Contains(stdout, "trouble") || t.Failed() {
		t.Error(stdout)
	}
}
