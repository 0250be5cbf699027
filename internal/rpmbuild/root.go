// SPDX-License-Identifier: Apache-2.0

package rpmbuild

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/command"
)

// Root is where rpmbuild runs, if not in this machine's own root directory: where the
// compiler of an old distribution lives. The zero value is this machine.
type Root struct {
	Chroot string // absolute path of a directory that holds a whole system
	Mock   string // configuration of mock: a name, or the path of a file
}

// ParseRoot reads chroot:DIR or mock:CONFIG. "" is this machine.
func ParseRoot(s string) (Root, error) {
	kind, value, _ := strings.Cut(s, ":")
	switch {
	case s == "":
		return Root{}, nil
	case value == "":
	case kind == "mock":
		return Root{Mock: value}, nil
	case kind == "chroot":
		dir, err := filepath.Abs(value)
		if err != nil {
			return Root{}, fmt.Errorf("find root directory: %w", err)
		}
		// Paths below it are compared with what the kernel calls them.
		if dir, err = filepath.EvalSymlinks(dir); err != nil {
			return Root{}, fmt.Errorf("find root directory: %w", err)
		}
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			return Root{}, fmt.Errorf("%s is not a directory: name one with a whole system in it", dir)
		}
		if dir == "/" {
			return Root{}, nil
		}
		return Root{Chroot: dir}, nil
	}
	return Root{}, fmt.Errorf("%q is not a root: use chroot:DIR or mock:CONFIG", s)
}

// Name is what people call the root directory that a build runs in.
func (r Root) Name() string {
	switch {
	case r.Mock != "":
		return "mock"
	case r.Chroot != "":
		return r.Chroot
	}
	return "this machine"
}

// Args is the command line that runs a program there. In mock's roots only mock runs
// programs.
func (r Root) Args(args ...string) []string {
	if r.Chroot == "" {
		return args
	}
	return append([]string{"chroot", r.Chroot}, args...)
}

// Env is what a program gets there besides the environment of this process, whose
// directories may not exist there.
func (r Root) Env() []string {
	if r.Chroot == "" {
		return nil
	}
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR=/tmp"}
}

// Inside is what a path of this machine is called in there.
func (r Root) Inside(path string) string {
	if r.Chroot == "" {
		return path
	}
	return strings.TrimPrefix(path, r.Chroot)
}

// outside is where a package is that rpmbuild wrote to path in there.
func (j Job) outside(path string) string {
	switch {
	case j.Root.Chroot != "":
		return filepath.Join(j.Root.Chroot, path)
	case j.Root.Mock != "":
		return filepath.Join(j.results(), filepath.Base(path))
	}
	return path
}

// results is where mock puts packages.
func (j Job) results() string { return filepath.Join(j.Topdir, "RPMS") }

// mockArgs is the whole command line of mock. Its root directory is named after the
// directory that holds Topdir: whoever has locked that has the root to himself, and
// another configuration's build at the same time does not wait.
func (j Job) mockArgs() []string {
	args := []string{
		"mock", "-r", j.Root.Mock, "--uniqueext", filepath.Base(filepath.Dir(j.Topdir)),
		"--resultdir", j.results(),
		// Off a terminal it would keep rpmbuild's output to itself.
		"--config-opts", "print_main_output=True",
		// mock does not hand SOURCE_DATE_EPOCH in.
		"--define", "source_date_epoch_from_changelog 1",
	}
	for _, d := range repeatable {
		args = append(args, "--define", d.Name+" "+d.Value)
	}
	args = append(args, j.options()...)
	return append(args, "--rebuild", j.Spec)
}

// Check tells what every build would fail for, before there is one.
func (r Root) Check(ctx context.Context) error {
	if r.Chroot == "" {
		return nil
	}
	// As a plain file it would grow with all that programs throw away.
	null, err := os.Lstat(filepath.Join(r.Chroot, "dev/null"))
	if err != nil || null.Mode()&fs.ModeCharDevice == 0 {
		return fmt.Errorf("check %s: it has no /dev/null; make one: mknod -m 666 %s c 1 3", r.Chroot, filepath.Join(r.Chroot, "dev/null"))
	}
	for _, name := range []string{"rpmbuild", "gcc"} {
		if _, err := command.Ask(ctx, r.Args(name, "--version")...); err != nil {
			return fmt.Errorf("check %s: %w\nit needs rpmbuild and a compiler, and you must be root for chroot(8)", r.Chroot, err)
		}
	}
	return nil
}
