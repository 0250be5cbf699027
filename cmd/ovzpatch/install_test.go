// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/source"
)

// builtKernel is a kernel package of ours, from the cache where it was built before.
type builtKernel struct {
	path    string // the package
	devel   string // its -devel package
	name    string // as rpm -e wants it
	release string // as uname -r says
}

func buildFor(t *testing.T, args ...string) builtKernel {
	t.Helper()
	dir := t.TempDir()
	if _, stderr, code := ovzpatch(t, append([]string{"build", source.Newest(source.Debian), "-o", dir}, args...)...); code != 0 {
		t.Fatalf("build: exit code %d\n%s", code, stderr)
	}
	one := func(pattern string) string {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v (%v)", pattern, found, err)
		}
		return found[0]
	}
	k := builtKernel{path: one("kernel-ovz-[0-9]*.x86_64.rpm"), devel: one("kernel-ovz-devel-[0-9]*.x86_64.rpm")}
	k.name = strings.TrimSuffix(filepath.Base(k.path), ".rpm")
	k.release = strings.TrimPrefix(k.name, "kernel-ovz-")
	return k
}

// A generation is how a distribution's systems take a kernel in: which programs they
// have, and how their own kernels' scripts call these.
type generation struct {
	name      string
	recorders []string // programs that note their calls
	programs  []string // programs of this machine, for real
	files     []string // empty files that are there
	install   []string // calls, REL for the kernel's release
	remove    []string
	says      string // what rpm -i prints
}

var generations = []generation{
	{
		name:      "RHEL 5",
		recorders: []string{"/sbin/new-kernel-pkg", "/sbin/weak-modules"},
		install: []string{
			"weak-modules --add-kernel REL",
			"new-kernel-pkg --package kernel --mkinitrd --depmod --make-default --install REL",
		},
		remove: []string{
			"new-kernel-pkg --rminitrd --rmmoddep --remove REL",
			"weak-modules --remove-kernel REL",
		},
	},
	{
		name:      "RHEL 6 and 7",
		recorders: []string{"/sbin/new-kernel-pkg", "/sbin/weak-modules", "/sbin/dracut", "/usr/bin/kernel-install"},
		install: []string{
			"weak-modules --add-kernel REL",
			"new-kernel-pkg --package kernel --mkinitrd --dracut --depmod --make-default --install REL",
			"new-kernel-pkg --package kernel --rpmposttrans REL",
		},
		remove: []string{
			"new-kernel-pkg --rminitrd --rmmoddep --remove REL",
			"weak-modules --remove-kernel REL",
		},
	},
	{
		name:      "RHEL 8 and 9",
		recorders: []string{"/usr/bin/kernel-install", "/usr/sbin/weak-modules", "/usr/sbin/grubby", "/usr/bin/bootctl"},
		install: []string{
			"weak-modules --add-kernel REL",
			"kernel-install add REL /lib/modules/REL/vmlinuz",
			"grubby --set-default=/boot/vmlinuz-REL",
		},
		remove: []string{
			"kernel-install remove REL",
			"weak-modules --remove-kernel REL",
		},
	},
	{
		name:      "RHEL 8 with the old grubby",
		recorders: []string{"/usr/bin/kernel-install", "/usr/sbin/new-kernel-pkg", "/usr/sbin/grubby"},
		files:     []string{"/usr/lib/kernel/install.d/20-grub.install"},
		install: []string{
			"kernel-install add REL /lib/modules/REL/vmlinuz",
			"grubby --set-default=/boot/vmlinuz-REL",
		},
		remove: []string{"kernel-install remove REL"},
	},
	{
		name:      "systemd-boot",
		recorders: []string{"/usr/bin/bootctl"},
		programs:  []string{"kernel-install"},
		install:   []string{"bootctl set-default *-REL.conf"},
	},
	{
		name: "nothing",
		says: "kernel-ovz: neither new-kernel-pkg nor kernel-install is here: make an initramfs and add /boot/vmlinuz-REL to the boot loader by hand\n",
	},
}

// Two kernels are installed side by side into a root of each generation, and taken out.
func TestInstall(t *testing.T) {
	long(t)
	with, plain := buildFor(t), buildFor(t, "--without-patch")
	for _, g := range generations {
		t.Run(g.name, func(t *testing.T) { g.test(t, plain, with) })
	}
}

func (g generation) test(t *testing.T, kernels ...builtKernel) {
	r := newSmallRoot(t, g.programs...)
	for _, path := range g.recorders {
		r.recorder(t, path)
	}
	for _, path := range g.files {
		r.write(t, path, "", 0o644)
	}
	bls := slices.Contains(g.programs, "kernel-install")
	if bls {
		r.forKernelInstall(t)
	}
	states := [][]string{r.files(t)}
	for _, k := range kernels {
		said := r.rpm(t, "-i", "--nodeps", k.path)
		if want := g.of(k, g.says); g.says != "" && !strings.HasSuffix(said, want[0]) || g.says == "" && strings.Contains(said, "scriptlet") {
			t.Errorf("%s: rpm -i said %q, want %q", k.name, said, want)
		}
		if got, want := r.calls(t), g.of(k, g.install...); !slices.Equal(got, want) {
			t.Errorf("install %s: got\n%s\nwant\n%s", k.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		added := without(r.files(t), states[len(states)-1])
		k.checkAdded(t, added, bls)
		// What mkinitrd or dracut makes there is the package's own.
		r.write(t, "/boot/initrd-"+k.release+".img", "initrd", 0o600)
		r.write(t, "/boot/initramfs-"+k.release+".img", "initramfs", 0o600)
		// A depmod of the future.
		r.write(t, "/lib/modules/"+k.release+"/modules.of-the-future", "", 0o644)
		states = append(states, r.files(t))
	}
	for i, k := range slices.Backward(kernels) {

		r.rpm(t, "-e", k.name)
		if got, want := r.calls(t), g.of(k, g.remove...); !slices.Equal(got, want) {
			t.Errorf("remove %s: got\n%s\nwant\n%s", k.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		now, before := r.files(t), states[i]
		if !slices.Equal(now, before) {
			t.Errorf("removing %s left %q and took %q", k.name, without(now, before), without(before, now))
		}
	}
}

// Installed again, a kernel is whole afterwards: the scripts of its old self come in between.
func TestReinstall(t *testing.T) {
	long(t)
	k := buildFor(t)
	r := newSmallRoot(t, "kernel-install")
	r.forKernelInstall(t)
	r.rpm(t, "-i", "--nodeps", k.path)
	want := r.files(t)
	r.rpm(t, "--reinstall", "--nodeps", k.path)
	if got := r.files(t); !slices.Equal(got, want) {
		t.Errorf("installing again left %q and took %q", without(got, want), without(want, got))
	}
}

// of puts a kernel's release into lines.
func (g generation) of(k builtKernel, lines ...string) []string {
	var got []string
	for _, l := range lines {
		got = append(got, strings.ReplaceAll(l, "REL", k.release))
	}
	return got
}

// forKernelInstall makes the root one whose boot loader reads entries by the Boot Loader
// Specification.
func (r *smallRoot) forKernelInstall(t *testing.T) {
	t.Helper()
	r.tree(t, "/usr/lib/kernel/install.d", "/usr/lib/kernel/install.d")
	r.write(t, "/etc/machine-id", machineID+"\n", 0o644)
	r.write(t, "/etc/os-release", "ID=small\nPRETTY_NAME=\"Small Linux\"\n", 0o644)
	r.write(t, "/etc/kernel/cmdline", "root=/dev/vda2 rw console=ttyS0 panic=1\n", 0o644)
	r.write(t, "/boot/loader/entries.srel", "type1\n", 0o644)
	r.write(t, "/boot/loader/loader.conf", "", 0o644)
	r.must(t, os.MkdirAll(r.path("/boot/loader/entries"), 0o755))
	r.must(t, os.MkdirAll(r.path("/boot/"+machineID), 0o755))
}

const machineID = "0123456789abcdef0123456789abcdef"

// checkAdded allows what belongs to a kernel, and demands what it cannot do without.
func (k builtKernel) checkAdded(t *testing.T, added []string, bls bool) {
	t.Helper()
	rel := regexp.QuoteMeta(k.release)
	allowed := `^/boot/(vmlinuz|System\.map|config)-` + rel + `$|^/boot/symvers-` + rel + `\.gz$|^/usr/lib/modules/` + rel + `(/.*)?$`
	if bls {
		allowed += `|^/boot/` + machineID + `/` + rel + `(/linux)?$|^/boot/loader/entries/` + machineID + `-` + rel + `\.conf$`
	}
	outside := regexp.MustCompile(allowed)
	for _, name := range added {
		if !outside.MatchString(name) {
			t.Errorf("%s is no file of kernel %s", name, k.release)
		}
	}
	modules := "/usr/lib/modules/" + k.release
	want := []string{"/boot/vmlinuz-" + k.release, modules + "/vmlinuz", modules + "/modules.dep", modules + "/weak-updates", modules + "/build"}
	if bls {
		want = append(want, "/boot/loader/entries/"+machineID+"-"+k.release+".conf", "/boot/"+machineID+"/"+k.release+"/linux")
	}
	for _, name := range want {
		if !slices.Contains(added, name) {
			t.Errorf("kernel %s came without %s", k.release, name)
		}
	}
}

// What yum and dnf ask a kernel package, and what it owns.
func TestKernelPackageFacts(t *testing.T) {
	long(t)
	k := buildFor(t)
	version, _, _ := strings.Cut(k.release, "-")
	evr := strings.TrimSuffix(k.release, ".x86_64")
	for _, c := range []struct {
		path     string
		provides []string
		owns     string
	}{
		{k.path, []string{
			"installonlypkg(kernel)", "kernel = " + evr, "kernel-ovz = " + evr, "kernel-ovz(x86-64) = " + evr, "kernel-uname-r = " + k.release,
			"multiversion(kernel)",
		}, `^(/boot/(vmlinuz|System\.map|config)-REL|/boot/symvers-REL\.gz|/boot/init(rd|ramfs)-REL\.img|/lib/modules/REL(/.*)?)$`},
		{k.devel, []string{
			"installonlypkg(kernel)", "kernel-devel = " + evr, "kernel-devel-uname-r = " + k.release, "kernel-ovz-devel = " + evr, "kernel-ovz-devel(x86-64) = " + evr,
			"multiversion(kernel)",
		}, `^/usr/src/kernels/REL(/.*)?$`},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			pkg, err := rpmfile.Open(context.Background(), c.path)
			if err != nil {
				t.Fatal(err)
			}
			defer pkg.Close()
			if pkg.Version() != version {
				t.Errorf("version %s, want %s", pkg.Version(), version)
			}
			owned := regexp.MustCompile(strings.ReplaceAll(c.owns, "REL", regexp.QuoteMeta(k.release)))
			for _, e := range pkg.Files {
				if !owned.MatchString(e.Name) {
					t.Errorf("owns %s", e.Name)
				}
			}
			out, err := exec.CommandContext(t.Context(), "rpm", "--dbpath", t.TempDir(), "-qp", "--provides", c.path).Output()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(strings.TrimSpace(string(out)), "\n")
			slices.Sort(got)
			if !slices.Equal(got, c.provides) {
				t.Errorf("provides %q, want %q", got, c.provides)
			}
		})
	}
}
