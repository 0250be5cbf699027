// SPDX-License-Identifier: GPL-2.0-only

package rpmbuild_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/rpmbuild"
)

// What a kernel tree will compile is counted as soon as it is configured, and only where
// all of it is compiled.
func TestRunCountsWhatThereIsToCompile(t *testing.T) {
	tree := map[string]string{
		"scripts/Makefile.build":       "",
		"obj/include/config/auto.conf": "CONFIG_EXT4_FS=m\nCONFIG_SMP=y\nCONFIG_64BIT=y\n",
		"arch/x86/Makefile":            "$(error only the makefile at the top reads this)\n",
		"arch/x86/Kbuild":              "obj-y += kernel/\n",
		"arch/x86/kernel/Makefile":     "extra-y := head_$(BITS).o vmlinux.lds\nobj-y := irq.o irq.o\nobj-$(CONFIG_SMP) += smp.o\nobj-$(CONFIG_NUMA) += numa.o\n",
		"arch/x86/boot/Makefile":       "setup-y := main.o\nsubdir- := compressed\n",
		"fs/Makefile":                  "obj-y := open.o\nobj-$(CONFIG_EXT4_FS) += ext4/\nobj-$(CONFIG_XFS_FS) += xfs/\ninclude $(srctree)/$(src)/Makefile.more\n",
		"fs/Makefile.more":             "ifdef CONFIG_SMP\nobj-y += locks.o\nendif\n",
		"fs/ext4/Makefile":             "obj-$(CONFIG_EXT4_FS) += ext4.o\next4-y := super.o inode.o\next4-$(CONFIG_NUMA) += node.o\n$(obj)/super.o: $(obj)/table.h FORCE\n\t$(call if_changed,table)\n",
		"fs/xfs/Makefile":              "obj-y += xfs.o\n",
		"lib/Makefile":                 "lib-y := string.o crc.o\nlib-$(CONFIG_SMP) += crc.o\n",
	}
	// head_64 irq smp, main, open locks, super inode ext4.mod, string crc
	const objects = 11
	for _, whole := range []bool{true, false} {
		top := t.TempDir()
		build := filepath.Join(top, "kept")
		for name, text := range tree {
			path := filepath.Join(build, "kernel-6.1", "linux-6.1", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		seen := filepath.Join(top, "seen")
		job := rpmbuild.Job{Spec: filepath.Join(top, "SPECS", "tiny.spec"), Topdir: top, BuildDir: build, NoDeps: true,
			Log: filepath.Join(top, "log"), Whole: whole}
		if err := job.Dirs(); err != nil {
			t.Fatal(err)
		}
		script := `echo '  HOSTCC  scripts/basic/fixdep'
echo '  CC      arch/x86/kernel/asm-offsets.s'
for i in $(seq 600); do echo '  CC      fs/open.o'; test ! -e ` + seen + ` || break; sleep 0.1; done`
		if !whole {
			script = strings.Replace(script, "600", "10", 1)
		}
		if err := os.WriteFile(job.Spec, []byte(strings.Replace(spec, "BUILD", script, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		expected := 0
		_, err := rpmbuild.Run(t.Context(), job, func(p rpmbuild.Progress) {
			if p.Expected > 0 && expected == 0 {
				expected = p.Expected
				os.WriteFile(seen, nil, 0o644)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 2 + objects}[whole]; expected != want {
			t.Errorf("whole %v: %d files expected, want %d", whole, expected, want)
		}
	}
}
