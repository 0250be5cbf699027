// SPDX-License-Identifier: GPL-2.0-only

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

// command runs the umount command that users type.
func (a *agent) command(q request) (reply, error) {
	path := "/bin:/bbin:/usr/bin"
	if err := os.Setenv("PATH", path); err != nil {
		return reply{}, err
	}
	out, err := exec.Command("umount", "-f", q.Path).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return reply{Errno: "0"}, nil
	case errors.As(err, &exit):
		return reply{Errno: commandErrno(string(out))}, nil
	}
	return reply{}, fmt.Errorf("run umount -f: %w (is it in %s?)", err, path)
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
	return r, nil
}
