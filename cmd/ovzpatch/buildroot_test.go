// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/job"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/spec"
)

// tinyKernel is a kernel's source as far as the patch is concerned, and a spec that tells
// where it was built.
var tinyKernel = map[string]string{
	"vzkernel.spec": `Name: vzkernel
Version: 6.1.1
Release: 1
Summary: kernel
License: GPLv2
Source0: linux-6.1.1.tar
%global __os_install_post %{nil}
%global debug_package %{nil}
%description
kernel
%prep
%setup -q -n linux-6.1.1
%build
test -e /only-in-the-chroot
! command -v make || make all
if test -e /wait; then touch /waits; sleep 600; fi
%install
mkdir -p %{buildroot}/boot
gcc --version >%{buildroot}/boot/vmlinuz-%{version}
%files
/boot/vmlinuz-%{version}
%changelog
* Tue Jan 02 2024 A <a@b.c> - 6.1.1-1
- first
`,
	"linux-6.1.1/Makefile":       "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\nEXTRAVERSION =\n",
	"linux-6.1.1/fs/namespace.c": "int a;\n",
	"ours.patch":                 "--- a/fs/namespace.c\n+++ b/fs/namespace.c\n@@ -1 +1 @@\n-int a;\n+int b;\n",
}

// makeTinyKernel makes the source RPM in a new directory, beside the patch.
func makeTinyKernel(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range tinyKernel {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"tar", "-cf", "linux-6.1.1.tar", "linux-6.1.1"},
		{"rpmbuild", "-bs", "--nodeps", "--define", "_topdir " + dir, "--define", "_sourcedir " + dir, "--define", "_srcrpmdir " + dir, "vzkernel.spec"},
	} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return dir
}

// rpmbuild runs in another root directory with the compiler that lives there, and leaves
// nothing but compiled objects in it.
func TestBuildInAChroot(t *testing.T) {
	src := makeTinyKernel(t)
	r := newSmallRoot(t, "bash", "bzip2", "cmp", "date", "dirname", "find", "gzip", "head", "patch", "readlink", "rpm", "rpmbuild", "sha256sum", "sleep", "tar", "touch", "xz")
	r.tree(t, "/usr/lib/rpm", "/usr/lib/rpm")
	// Each rpm has others; since 6.1 one is beside rpm itself.
	for _, helper := range []string{"/usr/lib/rpm/elfdeps", "/usr/lib/rpm/rpmuncompress", "/usr/bin/rpmuncompress"} {
		if exists(helper) {
			r.file(t, helper)
			r.libraries(t, helper)
		}
	}
	magic, err := filepath.EvalSymlinks("/usr/share/misc/magic.mgc")
	r.must(t, err)
	data, err := os.ReadFile(magic)
	r.must(t, err)
	r.write(t, "/usr/share/misc/magic.mgc", string(data), 0o644)
	r.write(t, "/usr/bin/gcc", "#!/bin/sh\necho 'gcc (GCC) 4.1.2'\n", 0o755)

	cacheDir, out := t.TempDir(), t.TempDir()
	build := func(ctx context.Context, more ...string) (string, error) {
		c, said := newRoot(), &bytes.Buffer{}
		c.SetArgs(append([]string{"build"}, append(more, filepath.Join(src, "vzkernel-6.1.1-1.src.rpm"), "--patch", filepath.Join(src, "ours.patch"),
			"--misplaced", "--root", "chroot:"+r.dir, "--cache-dir", cacheDir, "-o", out)...))
		c.SetOut(said)
		c.SetErr(said)
		err := c.ExecuteContext(ctx)
		return said.String(), err
	}
	if said, err := build(t.Context()); err == nil || !strings.Contains(err.Error(), "stopped in %build") {
		t.Fatalf("without the file that %%build looks for: %v\n%s", err, said)
	}
	r.write(t, "/only-in-the-chroot", "", 0o644)
	// The proof runs in there, too, as %build's first command tells.
	r.write(t, "/usr/bin/gcc", "#!/bin/sh\necho 'gcc (GCC) 4.1.1'\n", 0o755)
	proved, err := build(t.Context(), "--prove")
	if err != nil || !strings.Contains(proved, "proven: %build compiles in linux-6.1.1, the original's with the patch applied once") {
		t.Errorf("the proof: %v\n%s", err, proved)
	}
	if left, err := os.ReadDir(r.path("/var/tmp")); err != nil || len(left) > 0 {
		t.Errorf("the proof left %v in the chroot's /var/tmp (%v)", left, err)
	}
	for _, version := range []string{"4.1.2", "4.1.3"} {
		r.write(t, "/usr/bin/gcc", "#!/bin/sh\necho 'gcc (GCC) "+version+"'\n", 0o755)
		said, err := build(t.Context())
		if err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		// The compiler there is part of what a cached result is made from.
		if strings.Contains(said, "from the cache") {
			t.Errorf("gcc %s: from the cache\n%s", version, said)
		}
		image := filepath.Join(out, "image")
		extract(t, filepath.Join(out, "vzkernel-6.1.1-1.lustre1.x86_64.rpm"), "./boot/vmlinuz-6.1.1", image)
		if data, _ := os.ReadFile(image); string(data) != "gcc (GCC) "+version+"\n" {
			t.Errorf("built with %q, want %s", data, version)
		}
	}
	if said, err := build(t.Context()); err != nil || !strings.Contains(said, "from the cache") {
		t.Errorf("the same once more: %v\n%s", err, said)
	}

	// Stopped while rpmbuild runs.
	r.write(t, "/wait", "", 0o644)
	r.write(t, "/usr/bin/gcc", "#!/bin/sh\necho 'gcc (GCC) 4.1.4'\n", 0o755)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(r.path("/waits")); err == nil {
				cancel()
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	if said, err := build(ctx); err == nil || context.Cause(ctx) != context.Canceled {
		t.Errorf("stopped: %v\n%s", err, said)
	}
	r.must(t, fs.WalkDir(os.DirFS(r.path("/var/cache/ovzpatch")), ".", func(name string, d fs.DirEntry, err error) error {
		if d != nil && (d.Name() == "top" || strings.HasSuffix(name, ".rpm")) {
			t.Errorf("left in the chroot: %s", name)
		}
		return err
	}))
}

func TestBuildInAChrootThatIsNone(t *testing.T) {
	src := makeTinyKernel(t)
	for want, dir := range map[string]string{
		"it has no /dev/null":     t.TempDir(),
		"it needs rpmbuild and a": newSmallRoot(t).dir,
		"no such file":            "/nowhere",
	} {
		c := newRoot()
		c.SetArgs([]string{
			"build", filepath.Join(src, "vzkernel-6.1.1-1.src.rpm"), "--patch", filepath.Join(src, "ours.patch"),
			"--misplaced", "--root", "chroot:" + dir, "--cache-dir", t.TempDir(),
		})
		c.SetOut(&bytes.Buffer{})
		c.SetErr(&bytes.Buffer{})
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", dir, err, want)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// What is missing in a chroot is asked of the dpkg in there.
func TestRequiresOfAChroot(t *testing.T) {
	root := newSmallRoot(t, "dpkg-query")
	root.write(t, "/var/lib/dpkg/status", "Package: gcc\nStatus: install ok installed\nMaintainer: a\nArchitecture: amd64\nVersion: 1\nDescription: a\n", 0o644)
	r := &recipe.Recipe{Root: rpmbuild.Root{Chroot: root.dir}}
	r.Spec = spec.Read("kernel.spec", []byte("Name: kernel\nBuildRequires: gcc, /bin/sed, openssl-devel\n"))
	err := r.CheckRequires(t.Context(), job.Quiet{})
	want := "kernel.spec requires these to be built, and " + root.dir + " lacks them: openssl-devel\n  as root: chroot " + root.dir + " apt-get install libssl-dev\n"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
