// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/tool"
)

// tools are what this machine needs for a build: with --root the compiler is elsewhere.
func (f *buildFlags) tools() []tool.Tool {
	switch root, _ := rpmbuild.ParseRoot(f.rootArg); {
	case root.Mock != "":
		return append(slices.Clone(tool.Source), tool.Mock)
	case root.Chroot != "":
		return append(slices.Clone(tool.Source), tool.Tool{Name: "chroot", Apt: "coreutils", Dnf: "coreutils"})
	}
	return tool.Build
}

// checkRoot reads --root.
func (f *buildFlags) checkRoot() error {
	var err error
	if f.root, err = rpmbuild.ParseRoot(f.rootArg); err != nil {
		return job.BadRequest(fmt.Errorf("--root: %w", err))
	}
	if f.root.Mock != "" && os.Getuid() == 0 {
		return job.BadRequest(errors.New("--root: mock does not build for root: run ovzpatch as a user who is in the group mock"))
	}
	return nil
}

// rootName is what people call the root directory that a build runs in.
func rootName(root rpmbuild.Root) string {
	switch {
	case root.Mock != "":
		return "mock"
	case root.Chroot != "":
		return root.Chroot
	}
	return "this machine"
}

// compiled is where compiled objects are kept. Those of a chroot lie in it: rpmbuild sees
// nothing else there, and they know their own paths.
func (a *app) compiled(r *recipe) cache.Cache {
	if r.root.Chroot != "" {
		return cache.Cache{Dir: filepath.Join(r.root.Chroot, "var/cache/ovzpatch")}
	}
	return cache.Cache{Dir: a.cacheDir}
}

// compiler says which compiler a kernel is built with, and with --root where: for mock,
// which installs the compiler only when it builds, that is its configuration.
func (r *recipe) compiler(ctx context.Context) (string, error) {
	if r.root.Mock != "" {
		text, err := os.ReadFile(r.root.Mock)
		if errors.Is(err, fs.ErrNotExist) {
			text, err = os.ReadFile(filepath.Join("/etc/mock", r.root.Mock+".cfg"))
		}
		if err != nil {
			return "", fmt.Errorf("read mock's configuration %s: %w", r.root.Mock, err)
		}
		// What mock reads of everybody's and of the user's own, where there is such.
		for _, file := range mockSettings() {
			more, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("read mock's configuration: %w", err)
			}
			text = append(text, more...)
		}
		return "mock " + r.root.Mock + "\n" + string(text), nil
	}
	if r.root.Chroot != "" {
		if err := checkChroot(ctx, r.root); err != nil {
			return "", err
		}
	}
	version, err := command.Ask(ctx, r.root.Args("gcc", "--version")...)
	if err != nil {
		return "", err
	}
	return r.root.Chroot + string(version), nil
}

// mockSettings are the files that mock reads besides the configuration it is given.
func mockSettings() []string {
	files := []string{"/etc/mock/site-defaults.cfg"}
	home, err := os.UserHomeDir()
	if err != nil {
		return files
	}
	return append(files, filepath.Join(home, ".mock/user.cfg"), filepath.Join(home, ".config/mock.cfg"))
}

// newCompiler gives the major version of this machine's gcc where that is 5 or later,
// which took much for an error that kernels of its time have; else "".
func newCompiler(ctx context.Context) string {
	out, err := command.Ask(ctx, "gcc", "-dumpversion")
	major, _, _ := strings.Cut(strings.TrimSpace(string(out)), ".")
	if n, bad := strconv.Atoi(major); err != nil || bad != nil || n < 5 {
		return ""
	}
	return major
}

// checkChroot tells what every build would fail for, before there is one.
func checkChroot(ctx context.Context, root rpmbuild.Root) error {
	// As a plain file it would grow with all that programs throw away.
	null, err := os.Lstat(filepath.Join(root.Chroot, "dev/null"))
	if err != nil || null.Mode()&fs.ModeCharDevice == 0 {
		return fmt.Errorf("check %s: it has no /dev/null; make one: mknod -m 666 %s c 1 3", root.Chroot, filepath.Join(root.Chroot, "dev/null"))
	}
	for _, name := range []string{"rpmbuild", "gcc"} {
		if _, err := command.Ask(ctx, root.Args(name, "--version")...); err != nil {
			return fmt.Errorf("check %s: %w\nit needs rpmbuild and a compiler, and chroot(8) needs root's rights", root.Chroot, err)
		}
	}
	return nil
}

// hasTool tells whether a program is to be found here, or in a chroot.
func hasTool(root rpmbuild.Root, name string) bool {
	if root.Chroot == "" {
		_, err := tool.Find(name)
		return err == nil
	}
	return slices.ContainsFunc([]string{"usr/bin", "usr/sbin", "bin", "sbin"}, func(dir string) bool {
		// A link is to be followed in there only.
		_, err := os.Lstat(filepath.Join(root.Chroot, dir, name))
		return err == nil
	})
}
