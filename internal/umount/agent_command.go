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

// commandPaths are where the umount command that users type may be.
var commandPaths = []string{"/bin/umount", "/bbin/umount", "/usr/bin/umount"}

// findCommand returns the first that is there, or would be: running it says what is missing.
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

// commandErrno finds the errno in what a failed umount command printed; where there is
// none it gives the text.
func commandErrno(out string) string {
	text := strings.ToLower(out)
	for _, e := range []syscall.Errno{unix.EPERM, unix.EBUSY, unix.EINVAL, unix.EAGAIN, unix.ESHUTDOWN, unix.ENOENT} {
		if strings.Contains(text, e.Error()) {
			return unix.ErrnoName(e)
		}
	}
	// util-linux has words of its own.
	for words, errno := range map[string]string{"target is busy": "EBUSY", "must be superuser": "EPERM", "not mounted": "EINVAL"} {
		if strings.Contains(text, words) {
			return errno
		}
	}
	return strings.TrimSpace(out)
}

// sweep does what `umount -a -f -r` does: all mounts, the last one first, read-only
// where they will not go. The root stays, as do the other types' superblocks: they are
// the guest's own, and the next case needs them writable.
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
