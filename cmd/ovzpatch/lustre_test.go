// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/probe"
	"ovzpatch/internal/source"
)

// standIn is what a user's Lustre consists of, with the probe for Lustre: a package with
// the module, and a directory with a mount helper and the libraries it is linked with. It
// shows that what --lustre does works,
// not what Lustre does.
type standIn struct{ kernel, module, userland, setup string }

func newStandIn(t *testing.T, flags ...string) standIn {
	t.Helper()
	dir := t.TempDir()
	if _, stderr, code := ovzpatch(t, append([]string{"build", source.Newest(source.Debian), "-o", dir}, flags...)...); code != 0 {
		t.Fatalf("build: exit code %d\n%s", code, stderr)
	}
	kernels, err := filepath.Glob(filepath.Join(dir, "kernel-ovz-6*.x86_64.rpm"))
	if err != nil || len(kernels) != 1 {
		t.Fatal(kernels, err)
	}
	devel, err := kernelrpm.FindDevel(t.Context(), kernels[0])
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernelrpm.Unpack(t.Context(), kernels[0], t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	module, err := probe.Build(t.Context(), probe.Options{Devel: devel, Cache: cache.Cache{Dir: defaultCache()}, Release: k.Release})
	if err != nil {
		t.Fatal(err)
	}
	s := standIn{kernel: kernels[0], userland: filepath.Join(dir, "root"), setup: filepath.Join(dir, "setup")}
	s.module = packModule(t, module, k.Release)
	linkHelper(t, s.userland)
	text := "echo the stand-in is set up\ngrep lustre /proc/filesystems\n"
	if err := os.WriteFile(s.setup, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// helperSource is a mount.lustre SOURCE DIRECTORY for the probe, which takes no options.
const helperSource = `#include <stdio.h>
#include <sys/mount.h>
int main(int n, char **arg)
{
	if (n == 3 && mount(arg[1], arg[2], "lustre", 0, "") == 0)
		return 0;
	perror("mount");
	return 1;
}
`

// linkHelper puts the helper into a user's tree, linked with this machine's C library as
// Lustre's programs are with theirs, and with it that library.
func linkHelper(t *testing.T, root string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "helper.c")
	if err := os.WriteFile(source, []byte(helperSource), 0o644); err != nil {
		t.Fatal(err)
	}
	helper := filepath.Join(root, "usr/sbin/mount.lustre")
	for _, args := range [][]string{
		{"mkdir", "-p", filepath.Dir(helper)},
		{"gcc", "-o", helper, source},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	needs, err := exec.CommandContext(t.Context(), "ldd", helper).Output()
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(needs)) {
		if !strings.HasPrefix(word, "/") {
			continue
		}
		to := filepath.Join(root, word)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := atomicfile.Copy(word, to); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(to, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// packModule makes a package of a module, as Lustre's packages have theirs.
func packModule(t *testing.T, module, release string) string {
	t.Helper()
	dir := t.TempDir()
	spec := filepath.Join(dir, "kmod-standin.spec")
	text := fmt.Sprintf(`Name: kmod-standin
Version: 1
Release: 1
Summary: stand-in
License: GPL-2.0
%%global __os_install_post %%{nil}
%%global debug_package %%{nil}
%%description
A module.
%%install
install -D -m 0644 %s %%{buildroot}/lib/modules/%s/extra/standin/lustreprobe.ko
%%files
/lib/modules/*
`, module, release)
	if err := os.WriteFile(spec, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "rpmbuild", "-bb", "--nodeps", "--define", "_topdir "+dir, spec).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "RPMS/*/*.rpm"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	return found[0]
}

func (s standIn) test(t *testing.T, flags ...string) (stdout, stderr string, code int) {
	t.Helper()
	return ovzpatch(t, append([]string{
		"test", s.kernel, "--json", "--container=namespaces",
		"--lustre", s.module, "--lustre", s.userland, "--lustre-setup", s.setup, "--mount", "none",
	}, flags...)...)
}

// The whole way of a user's own Lustre, on kernels with and without the patch.
func TestLustreOfTheUser(t *testing.T) {
	long(t)
	for want, s := range map[guest.Verdict]standIn{
		guest.Protected:  newStandIn(t),
		guest.Vulnerable: newStandIn(t, "--without-patch"),
	} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := s.test(t, "--expect="+string(want))
			if code != 0 {
				t.Fatalf("exit code %d\n%s\n%s", code, stderr, stdout)
			}
			k := parseReport(t, stdout).Kernels[0]
			var left []string
			for _, n := range k.Notes {
				if names, ok := strings.CutPrefix(n, "left out on your own Lustre: "); ok {
					left = strings.Split(names, ", ")
				}
			}
			// What takes the probe's own types or its counters.
			if len(k.Results) < 60 || !slices.Contains(left, "force-flood") || !slices.Contains(left, "force-other-type") || !slices.Contains(left, "nothing-left") {
				t.Errorf("%d cases, notes %q", len(k.Results), k.Notes)
			}
			for _, r := range k.Results {
				if slices.Contains(left, r.Name) || r.Got.Forced != 0 {
					t.Errorf("%s was tried, or counted %d calls", r.Name, r.Got.Forced)
				}
			}
			console, err := os.ReadFile(k.Console)
			if err != nil || !strings.Contains(string(console), "the stand-in is set up") {
				t.Errorf("the console lacks what the setup script said (%v)", err)
			}
		})
	}
}

// isFailure tells whether JSON says that there is no result, and with which exit code.
func isFailure(stdout string, code int) bool {
	var f struct {
		Error    string `json:"error"`
		ExitCode int    `json:"exit_code"`
		Kernels  []any  `json:"kernels"`
	}
	return json.Unmarshal([]byte(stdout), &f) == nil && f.Error != "" && f.ExitCode == code && f.Kernels == nil
}

// What does not come up says nothing of the kernel.
func TestLustreThatDoesNotComeUp(t *testing.T) {
	long(t)
	s := newStandIn(t)
	if err := os.WriteFile(s.setup, []byte("echo no servers here\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := s.test(t)
	if code != 1 || !isFailure(stdout, 1) || !strings.Contains(stderr, "bring Lustre up in the guest: run setup script: exit status 7; it said last: no servers here") {
		t.Errorf("failing script: exit code %d\n%s\n%s", code, stderr, stdout)
	}
}

// What cannot work is told before anything boots.
func TestLustreRefusesModulesOfAnotherKernel(t *testing.T) {
	long(t)
	s := newStandIn(t)
	other := newStandIn(t, "--without-patch")
	s.module = other.module
	stdout, stderr, code := s.test(t)
	if code != job.CodeRefused || !isFailure(stdout, job.CodeRefused) || !strings.Contains(stderr, "was built for kernel 6.") || strings.Contains(stderr, "booting") {
		t.Errorf("exit code %d\n%s\n%s", code, stderr, stdout)
	}
}

func TestLustreFlags(t *testing.T) {
	for says, args := range map[string][]string{
		"--lustre-setup needs --lustre": {"--lustre-setup", "x"},
		"kernel command line":           {"--lustre", ".", "--mount", "a b"},
		"[lustre mount]":                {"--lustre", "."},
	} {
		c := newTest(&app{})
		c.SetArgs(append(args, "kernel.rpm"))
		c.SilenceErrors, c.SilenceUsage = true, true
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
