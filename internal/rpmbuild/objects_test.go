// SPDX-License-Identifier: Apache-2.0

package rpmbuild_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/rpmbuild"
)

// What a kernel tree compiles is counted once it is configured, whether make says what it
// does or not, and how much that will be is told where all of it is compiled.
func TestRunCountsObjects(t *testing.T) {
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
	for name, tt := range map[string]struct {
		whole    bool
		make     string // what make says and does
		compiled int
		expected int
		finally  int // compiled, with lib/string.o
	}{
		"all":         {true, "echo '  HOSTCC  scripts/basic/fixdep'; echo '  CC      fs/open.o'; touch fs/open.o", 2, objects + 1, 2},
		"all, quiet":  {true, "touch fs/open.o fs/locks.o fs/other.o", 2, objects, 3},
		"rest":        {false, "echo '  CC      fs/open.o'; touch fs/open.o", 1, 0, 2},
		"rest, quiet": {false, "touch fs/open.o", 1, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			build := filepath.Join(top, "kept")
			// rpm since 4.20 begins with an empty directory: %prep puts it there.
			unpacked := filepath.Join(top, "unpacked")
			for name, text := range tree {
				path := filepath.Join(unpacked, "kernel-6.1", "linux-6.1", name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			seen := filepath.Join(top, "seen")
			job := rpmbuild.Job{
				Spec: filepath.Join(top, "SPECS", "tiny.spec"), Topdir: top, BuildDir: build, NoDeps: true,
				Log: filepath.Join(top, "log"), Whole: tt.whole,
			}
			if err := job.Dirs(); err != nil {
				t.Fatal(err)
			}
			// An object of an earlier build, and one that is made just before the end.
			script := `cd kernel-6.1/linux-6.1/obj; mkdir fs lib; touch -d 2009-01-01 lib/crc.o
` + tt.make + `
for i in $(seq 600); do test ! -e ` + seen + ` || break; sleep 0.1; done
touch lib/string.o`
			if err := os.WriteFile(job.Spec, []byte(strings.Replace(strings.Replace(spec, "BUILD", script, 1), "%prep\n", "%prep\ncp -a "+unpacked+"/. .\n", 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			var most rpmbuild.Progress
			res, err := rpmbuild.Run(t.Context(), job, func(p rpmbuild.Progress) {
				if p.Phase == "%build" && p.Compiled >= tt.compiled && p.Expected >= tt.expected {
					most = p
					os.WriteFile(seen, nil, 0o644)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if most.Compiled != tt.compiled || most.Expected != tt.expected {
				t.Errorf("%d of %d files, want %d of %d", most.Compiled, most.Expected, tt.compiled, tt.expected)
			}
			if res.Compiled != tt.finally {
				t.Errorf("%d files in the end, want %d", res.Compiled, tt.finally)
			}
		})
	}
}
