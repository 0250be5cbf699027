// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
)

func (a *agent) umountChild(q request) (reply, error) {
	return onceIn(exec.Command(a.self, UmountWord, strconv.Itoa(q.Flags), q.Path))
}

func (a *agent) umountSession(q request) (reply, error) { return onceIn(inSession(a.self, q)) }

// inSession umounts in a process that leads a session of its own.
func inSession(self string, q request) *exec.Cmd {
	cmd := exec.Command(self, UmountWord, strconv.Itoa(q.Flags), q.Path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// umountCompat umounts through the kernel's entry for 32-bit programs.
func (a *agent) umountCompat(q request) (reply, error) {
	return onceIn(exec.Command(guest.CompatProgram, UmountWord, strconv.Itoa(q.Flags), q.Path))
}

// oldumount has a 32-bit program call umount(2), which 64-bit programs lack.
func (a *agent) oldumount(q request) (reply, error) {
	return onceIn(exec.Command(guest.CompatProgram, UmountWord, oldWord, q.Path))
}

func (a *agent) umountNested(q request) (reply, error) {
	return onceIn(nested(a.self, strconv.Itoa(q.Flags), q.Path))
}

func (a *agent) umountNestedTwice(q request) (reply, error) {
	return onceIn(nested(a.self, strconv.Itoa(q.Flags), q.Path, a.self))
}

// nested umounts in a container within the container.
func nested(self string, args ...string) *exec.Cmd {
	cmd := exec.Command(self, append([]string{UmountWord}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	return cmd
}

func onceIn(cmd *exec.Cmd) (reply, error) {
	b, err := cmd.Output()
	if err != nil {
		return reply{}, fmt.Errorf("umount in another process: %w", err)
	}
	return parseOnce(b)
}

// oldWord takes the place of the flags for umount(2), which has none.
const oldWord = "old"

// Once does one umount and writes the result for the process that started this one. Its arguments are the flags as a
// number, or oldWord; the path; and, to umount in one more container, the program that does so.
func Once(args []string, w io.Writer) error {
	if len(args) == 3 {
		b, err := nested(args[2], args[:2]...).Output()
		if err != nil {
			return fmt.Errorf("umount in one more container: %w", err)
		}
		_, err = w.Write(b)
		return err
	}
	if len(args) != 2 {
		return fmt.Errorf("umount once: %d arguments, want flags and path", len(args))
	}
	var r reply
	if args[0] == oldWord {
		r.Errno = errnoName(oldUmount(args[1]))
	} else {
		flags, err := strconv.Atoi(args[0])
		if err != nil {
			return fmt.Errorf("umount once: flags: %w", err)
		}
		r.Errno = errnoName(unix.Unmount(args[1], flags))
	}
	// Kernels before 3.8 lack this file, and their ids are not those of namespaces.
	if ns, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		r.ID = strings.Trim(strings.TrimPrefix(ns, "pid:"), "[]")
	}
	return json.NewEncoder(w).Encode(r)
}

// parseOnce reads what Once wrote.
func parseOnce(b []byte) (reply, error) {
	var r reply
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("read what the umount said: %w", err)
	}
	return r, nil
}
