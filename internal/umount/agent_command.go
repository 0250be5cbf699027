// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// commandPaths are the usual paths of the umount command.
var commandPaths = []string{"/bin/umount", "/bbin/umount", "/usr/bin/umount"}

// findCommand returns the first path that exists, else the first of all: running that says what is missing.
func findCommand() string {
	for _, path := range commandPaths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return commandPaths[0]
}

// command runs the umount command.
func (a *agent) command(q request) (reply, error) {
	out, err := exec.Command(findCommand(), "-f", q.Path).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return reply{Errno: "0"}, nil
	case errors.As(err, &exit):
		return reply{Errno: commandErrno(string(out))}, nil
	}
	return reply{}, fmt.Errorf("run umount -f: %w (it is looked for as %s)", err, strings.Join(commandPaths, ", "))
}

// commandErrno finds the errno in the output of a failed umount command. If there is none, it returns the
// output.
func commandErrno(out string) string {
	text := strings.ToLower(out)
	for _, e := range []syscall.Errno{unix.EPERM, unix.EBUSY, unix.EINVAL, unix.EAGAIN, unix.ESHUTDOWN, unix.ENOENT} {
		if strings.Contains(text, e.Error()) {
			return unix.ErrnoName(e)
		}
	}
	// util-linux has its own words for some.
	for words, errno := range map[string]string{"target is busy": "EBUSY", "must be superuser": "EPERM", "not mounted": "EINVAL"} {
		if strings.Contains(text, words) {
			return errno
		}
	}
	return strings.TrimSpace(out)
}

// sweep does what `umount -a -f -r` does: it umounts everything, the last mount first, and remounts read-only what
// stays. It spares the root and the superblocks of other types: they are the guest's own, and the next case needs
// them writable.
func (a *agent) sweep(q request) (reply, error) {
	paths, err := mountPaths()
	if err != nil {
		return reply{}, err
	}
	r := reply{}
	slices.Reverse(paths)
	for _, path := range paths {
		if path == "/" {
			continue
		}
		err := unix.Unmount(path, unix.MNT_FORCE)
		if path != q.Path {
			continue
		}
		r.Errno = errnoName(err)
		if err != nil {
			unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
		}
	}
	if q.OwnLog {
		r.Messages, err = a.readOwnLog()
	}
	return r, err
}
