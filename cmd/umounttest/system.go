// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/kmsg"

	"golang.org/x/sys/unix"
)

// setEnvironment is for the programs the guest starts. The kernel gives /init no more than
// HOME and TERM; a user's own programs go before u-root's.
func setEnvironment() error {
	return os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/bbin")
}

// mountSystem mounts /proc, /sys and /dev in the guest. What fails is told, and the guest
// goes on: what lacks it says so later.
func mountSystem() []error {
	var problems []error
	for _, m := range []struct{ fstype, path string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}} {
		err := os.MkdirAll(m.path, 0o755)
		if err == nil {
			err = unix.Mount("none", m.path, m.fstype, 0, "")
		}
		if m.fstype == "devtmpfs" && errors.Is(err, unix.ENODEV) {
			err = makeNodes()
		}
		if err != nil && !errors.Is(err, unix.EBUSY) {
			problems = append(problems, fmt.Errorf("mount %s: %w", m.path, err))
		}
	}
	if err := mountVEs(); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// mountVEs mounts the `ve` cgroup where the kernel has it (vz7 to vz9). Whether it does is
// told by the mount alone: early vz7 hides its controllers from /proc/cgroups (hide_cgroups).
func mountVEs() error {
	const dir = "/run/ve"
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = unix.Mount("ve", dir, "cgroup", 0, "ve")
	}
	switch {
	// No cgroups, or none of that name; EINVAL is what newer kernels say to the latter.
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL):
		return os.Remove(dir)
	case err != nil:
		return fmt.Errorf("mount the ve cgroup at %s: %w", dir, err)
	}
	return nil
}

// mountShare mounts the host's directory. Kernels before 2.6.34 do not know the newer protocol.
func mountShare(mode string) error {
	var flags uintptr = unix.MS_RDONLY
	if mode == "rw" {
		flags = 0
	}
	err := os.MkdirAll(guest.ShareDir, 0o755)
	if err == nil {
		const options = "trans=virtio,msize=131072,version=9p2000."
		for _, version := range []string{"L", "u"} {
			if err = unix.Mount(guest.ShareTag, guest.ShareDir, "9p", flags, options+version); err == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("mount the host's directory at %s: %w", guest.ShareDir, err)
}

// makeNodes is for kernels before devtmpfs (2.6.32).
func makeNodes() error {
	for name, device := range map[string]uint64{
		"null": unix.Mkdev(1, 3), "kmsg": unix.Mkdev(1, 11), "urandom": unix.Mkdev(1, 9),
		"ttyS0": unix.Mkdev(4, 64), "ttyS1": unix.Mkdev(4, 65), "vzctl": unix.Mkdev(126, 0),
	} {
		if err := unix.Mknod("/dev/"+name, unix.S_IFCHR|0o600, int(device)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
	}
	return nil
}

// loadModules loads what a list names, one module a line: path, then its parameters.
func loadModules(list string) []error {
	f, err := os.Open(list)
	if err != nil {
		return []error{fmt.Errorf("read list of modules: %w", err)}
	}
	defer f.Close()
	log, err := kmsg.Open()
	if err == nil {
		defer log.Close()
	}
	var problems []error
	s := bufio.NewScanner(f)
	for s.Scan() {
		path, params, _ := strings.Cut(strings.TrimSpace(s.Text()), " ")
		if path == "" {
			continue
		}
		if err := loadModule(path, params); err != nil {
			problems = append(problems, fmt.Errorf("load module %s: %w%s", path, err, said(log)))
		}
	}
	if err := s.Err(); err != nil {
		problems = append(problems, fmt.Errorf("read list of modules: %w", err))
	}
	return problems
}

// saidLines is how many lines of the kernel's go into an error.
const saidLines = 4

// said is what the kernel itself logged since it was asked last: it tells more than an errno.
func said(log *kmsg.Reader) string {
	if log == nil {
		return ""
	}
	records, _ := log.Since() // what is left of them will do
	var lines []string
	for _, r := range records {
		if r.Kernel() && len(lines) < saidLines {
			lines = append(lines, r.Text)
		}
	}
	if lines == nil {
		return ""
	}
	return "; the kernel says: " + strings.Join(lines, "; ")
}

// loadModule uses the call that kernels before 3.8 have, too.
func loadModule(path, params string) error {
	image, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	err = unix.InitModule(image, params)
	switch {
	case errors.Is(err, unix.EEXIST):
		return nil
	case errors.Is(err, unix.ENOENT):
		return errors.New("it needs a symbol that neither the kernel nor a module loaded before it has")
	}
	return err
}

// unloadModule takes a module away that nothing uses. A kernel that unloads none has nothing
// to show.
func unloadModule(name string) error {
	if _, err := os.Stat("/sys/module/" + name + "/refcnt"); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return unix.DeleteModule(name, unix.O_NONBLOCK)
}
