// SPDX-License-Identifier: Apache-2.0

package specs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ovzpatch/specs"
)

// tinyKernel is a tree whose makefile says and does what kernel-ovz.spec wants of a kernel's.
var tinyKernel = map[string]string{
	"fs/namespace.c": "a\n", "fs/open.c": "a\n", "fs/super.c": "a\n", "include/x.h": "", "scripts/x": "", "kernel/Kconfig": "", "security/Kconfig": "",
	"arch/x86/Makefile": "", "arch/x86/include/x.h": "",
	"Makefile": `rel := 6.1.1$(EXTRAVERSION)
objects := $(O)/fs/open.o $(O)/fs/super.o $(O)/fs/namespace.o
allnoconfig oldconfig:
	mkdir -p $(O)/include $(O)/scripts; cp include/x.h $(O)/include; cp scripts/x $(O)/scripts; touch $(O)/.config
bzImage modules: $(objects)
	mkdir -p $(O)/arch/x86/boot; cat $(objects) >$(O)/arch/x86/boot/bzImage; touch $(O)/System.map $(O)/Module.symvers
$(O)/%.o: %.c
	@echo '  CC      $*.o'; mkdir -p $(@D); cp $< $@
	@if [ $* = "$(STOP_AFTER)" ]; then exit 1; fi
modules_install:
	mkdir -p $(INSTALL_MOD_PATH)/lib/modules/$(rel)/kernel; touch $(INSTALL_MOD_PATH)/lib/modules/$(rel)/modules.order
`,
}

// Whatever rpm does with its build directory, the second kernel compiles the patched file
// alone, and a build that was stopped is gone on with.
func TestObjectsAreKept(t *testing.T) {
	top := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(top, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir, cmd.Env = top, append(os.Environ(), "SOURCE_DATE_EPOCH=1000000000")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for path, text := range tinyKernel {
		write("linux-1/"+path, text)
	}
	if out, err := run("tar", "--mtime=@1000000000", "-cf", "linux-1.tar", "linux-1"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write("port.patch", "--- a/fs/namespace.c\n+++ b/fs/namespace.c\n@@ -1 +1 @@\n-a\n+b\n")
	write("some.config", "")
	spec, err := specs.Spec(specs.Values{
		Base: "6.1.1", Release: "1", Tag: ".lustre1", Archive: "linux-1.tar", Top: "linux-1",
		Port: "port.patch", Config: "some.config",
	})
	if err != nil {
		t.Fatal(err)
	}
	write(specs.Name, string(spec))
	build := func(args ...string) (string, error) {
		out, err := run(append([]string{
			"rpmbuild", "-ba", "--nodeps", "--target=x86_64", "--define=_topdir " + top, "--define=_sourcedir " + top,
			"--define=_builddir " + filepath.Join(top, "kept"), "--define=_smp_mflags -j1", specs.Name,
		}, args...)...)
		if s := strings.Count(out, "Wrote: "); err == nil && s != 3 {
			t.Errorf("%d packages\n%s", s, out)
		}
		var compiled []string
		for line := range strings.Lines(out) {
			if name, ok := strings.CutPrefix(line, "  CC      "); ok {
				compiled = append(compiled, strings.TrimSpace(name))
			}
		}
		if err != nil && os.Getenv("STOP_AFTER") == "" {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return strings.Join(compiled, " "), err
	}
	// A build that ends at its second file, as by Ctrl-C.
	t.Setenv("STOP_AFTER", "fs/super")
	if got, err := build(); err == nil || got != "fs/open.o fs/super.o" {
		t.Fatalf("compiled %s, %v: the build was to stop", got, err)
	}
	os.Unsetenv("STOP_AFTER")
	for _, switches := range [][]string{nil, {"--without", "ovzpatch"}, nil} {
		if got, _ := build(switches...); got != "fs/namespace.o" {
			t.Errorf("%q: compiled %q, want the file that the patch changes", switches, got)
		}
	}

	// The tree is kept where that is asked for, and is as it was before the patch.
	again := func(stop, want string, switches ...string) {
		t.Helper()
		t.Setenv("STOP_AFTER", stop)
		if got, _ := build(append(switches, "--define=kagain 1")...); got != want {
			t.Errorf("%q: compiled %q, want %q", switches, got, want)
		}
		os.Unsetenv("STOP_AFTER")
	}
	unpacked := func() (id uint64) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(top, "kept/tree-linux-1/fs/open.c"))
		if err != nil || len(found) != 1 {
			t.Fatalf("no kept tree: %q, %v", found, err)
		}
		var st unix.Stat_t
		if err := unix.Stat(found[0], &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	again("", "fs/namespace.o")
	first := unpacked()
	devel := content(t, run, top)
	write("port.patch", "--- a/fs/namespace.c\n+++ b/fs/namespace.c\n@@ -1 +1 @@\n-a\n+c\n"+
		"--- /dev/null\n+++ b/include/new.h\n@@ -0,0 +1 @@\n+c\n")
	again("", "fs/namespace.o")
	if got := content(t, run, top); !strings.Contains(got, "/include/new.h") || strings.Contains(got, "ovzbefore") {
		t.Errorf("the -devel package holds\n%s", got)
	}
	again("fs/namespace", "fs/namespace.o", "--without", "ovzpatch")
	again("", "fs/namespace.o", "--without", "ovzpatch")
	if text, err := os.ReadFile(filepath.Join(top, "kept/tree-linux-1/fs/namespace.c")); string(text) != "a\n" {
		t.Errorf("without the patch there is %q (%v)", text, err)
	}
	write("port.patch", "--- a/fs/namespace.c\n+++ b/fs/namespace.c\n@@ -1 +1 @@\n-a\n+b\n")
	again("", "fs/namespace.o")
	if got := content(t, run, top); got != devel {
		t.Errorf("the same patch makes another -devel package:\n%s\nnot\n%s", got, devel)
	}
	if unpacked() != first {
		t.Error("the tree was unpacked again")
	}
}

// content lists the -devel package with the patch.
func content(t *testing.T, run func(...string) (string, error), top string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(top, "RPMS/x86_64/kernel-ovz-devel-*lustre1*.rpm"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	out, err := run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEDIGESTS}\n]", found[0])
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}
