// SPDX-License-Identifier: Apache-2.0

package specs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ovzpatch/specs"
)

// A file that the patches for today's compilers change is as old as its tree: else kept
// objects would all be compiled again. One that the port changes is new. An old kernel does
// not tell who compiled it, where and when.
func TestPrep(t *testing.T) {
	top := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(top, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir, cmd.Env = top, append(os.Environ(), "SOURCE_DATE_EPOCH=1000000000")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	write("linux-1/include/old.h", "a\n")
	write("linux-1/fs/namespace.c", "a\n")
	// As in 2.6.18 and 2.6.32.
	write("linux-1/scripts/mkcompile_h", "UTS_VERSION=`LC_ALL=C date`\necho \"`LC_ALL=C LANG=C date +%T`\"\necho \"`whoami`\"\n"+
		"echo \"`hostname | cut -c1-64`\"\necho \"`dnsdomainname | cut -c1-64`\"\necho \"`domainname | cut -c1-64`\"\n")
	run("tar", "-cf", "linux-1.tar", "linux-1")
	run("rm", "-r", "linux-1")
	write("port.patch", "--- a/fs/namespace.c\n+++ b/fs/namespace.c\n@@ -1 +1 @@\n-a\n+b\n")
	write("compat-01.patch", "--- a/include/old.h\n+++ b/include/old.h\n@@ -1 +1 @@\n-a\n+b\n--- /dev/null\n+++ b/include/new.h\n@@ -0,0 +1 @@\n+b\n")
	write("some.config", "")
	spec, err := specs.Spec(specs.Values{
		Base: "2.6.18", Release: "1", Archive: "linux-1.tar", Top: "linux-1",
		Port: "port.patch", Config: "some.config", Compat: []string{"compat-01.patch"},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(specs.Name, string(spec))
	run("rpmbuild", "-bp", "--nodeps", "--target=x86_64", "--define=_topdir "+top, "--define=_sourcedir "+top, specs.Name)

	tree := filepath.Join(top, "BUILD/linux-1")
	// rpm since 4.20 has a directory of this build below that of all.
	if own, _ := filepath.Glob(filepath.Join(top, "BUILD/*-build/linux-1")); len(own) == 1 {
		tree = own[0]
	}
	said, err := exec.CommandContext(t.Context(), "env", "SOURCE_DATE_EPOCH=1000000000", "sh", filepath.Join(tree, "scripts/mkcompile_h")).Output()
	if want := "01:46:40\novzpatch\nrpmbuild\n\n\n"; err != nil || string(said) != want {
		t.Errorf("the kernel is told %q (%v), want %q", said, err, want)
	}
	for path, old := range map[string]bool{"include/old.h": true, "include/new.h": true, "fs/namespace.c": false} {
		path = filepath.Join(tree, path)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if is := info.ModTime().Equal(time.Unix(1_000_000_000, 0)); is != old || string(text) != "b\n" {
			t.Errorf("%s: %q of %v; want it patched, and old: %v", path, text, info.ModTime(), old)
		}
	}
}
