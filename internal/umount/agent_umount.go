// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

func (a *agent) umount(q request) (reply, error) {
	before, err := callerFlags()
	if err != nil {
		return reply{}, err
	}
	var answer error
	for range q.Times {
		answer = unix.Unmount(q.Path, q.Flags)
	}
	after, err := callerFlags()
	return reply{Errno: errnoName(answer), Changed: changedState(before, after)}, err
}

// onSpoiltThread calls spoil and then umounts, on a thread that runs nothing else and ends.
func onSpoiltThread(q request, spoil func() error) (reply, error) {
	type result struct {
		r   reply
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		if err := spoil(); err != nil {
			done <- result{err: err}
			return
		}
		done <- result{reply{Errno: errnoName(unix.Unmount(q.Path, q.Flags))}, nil}
	}()
	res := <-done
	return res.r, res.err
}

func (a *agent) umountThread(q request) (reply, error) {
	return onSpoiltThread(q, func() error { return nil })
}

// Users who are not root: an ordinary one, and one of those that containers are given, whose numbers need more than 16 bits.
const (
	userID = 1000
	highID = 100000
)

// becomeUser changes only this thread. The C library's functions would change all threads.
func becomeUser(id uintptr) error {
	for _, call := range []uintptr{sysSetresgid, sysSetresuid} {
		if _, _, e := unix.RawSyscall(call, id, id, id); e != 0 {
			return fmt.Errorf("become user %d: %w", id, e)
		}
	}
	return nil
}

func (a *agent) umountUser(q request) (reply, error) {
	return onSpoiltThread(q, func() error { return becomeUser(userID) })
}

func (a *agent) umountUserWithAdmin(q request) (reply, error) {
	return onSpoiltThread(q, becomeAdmin)
}

// becomeAdmin makes the thread that of another user with all capabilities.
func becomeAdmin() error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	if err := becomeUser(highID); err != nil {
		return err
	}
	return raiseAll()
}

func (a *agent) umountWithoutAdmin(q request) (reply, error) { return onSpoiltThread(q, dropAdmin) }

// umountNoNewPrivileges is a plain umount on kernels before 3.5.
func (a *agent) umountNoNewPrivileges(q request) (reply, error) {
	return onSpoiltThread(q, func() error {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("give up new privileges: %w", err)
		}
		return nil
	})
}

// umountRelative umounts by a name without a slash, from the parent directory.
func (a *agent) umountRelative(q request) (reply, error) {
	dir := filepath.Dir(q.Path)
	q.Path = filepath.Base(q.Path)
	return onSpoiltThread(q, func() error {
		if err := unshare(unix.CLONE_FS)(); err != nil {
			return err
		}
		return unix.Chdir(dir)
	})
}

func unshare(what int) func() error {
	return func() error {
		if err := unix.Unshare(what); err != nil {
			return fmt.Errorf("unshare %#x: %w", what, err)
		}
		return nil
	}
}

// unshareFor works on the host and in containers. Kernels before 3.8 cannot unshare a pid namespace, and those before
// 3.12 not that of a process with several threads, as every Go program is. There it does nothing.
func unshareFor(what int) error {
	if err := unshare(what)(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

func (a *agent) umountUnshared(q request) (reply, error) {
	return onSpoiltThread(q, unshare(unix.CLONE_NEWNS))
}

func (a *agent) umountUnsharedPID(q request) (reply, error) {
	return onSpoiltThread(q, func() error { return unshareFor(unix.CLONE_NEWPID) })
}

// ownMountNamespace opens the mount namespace that the calling thread unshared. Kernels before 3.17 lack thread-self,
// and proc may be that of another pid namespace, with other numbers. There it looks for the one thread whose mount
// namespace is not that of the process.
func ownMountNamespace(proc string) (*os.File, error) {
	f, err := os.Open(proc + "/thread-self/ns/mnt")
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	of := func(path string) string {
		ns, _ := os.Readlink(path) // a thread may end meanwhile
		return ns
	}
	all := of(proc + "/self/ns/mnt")
	tasks, err := os.ReadDir(proc + "/self/task")
	for _, task := range tasks {
		path := proc + "/self/task/" + task.Name() + "/ns/mnt"
		if ns := of(path); ns != "" && ns != all {
			return os.Open(path)
		}
	}
	return nil, errors.Join(fmt.Errorf("find the thread's mount namespace in %s: none differs from %q", proc, all), err)
}

// umountSelfUnshared umounts on the agent's first thread, which the kernel takes for the container's process 1, after
// that thread unshared its pid namespace. Afterwards the agent can only look.
func (a *agent) umountSelfUnshared(q request) (reply, error) {
	if err := unshareFor(unix.CLONE_NEWPID); err != nil {
		return reply{}, err
	}
	q.Times = 1
	return a.umount(q)
}

// umountSetns umounts in the mount namespace that another thread unshared.
func (a *agent) umountSetns(q request) (reply, error) {
	type made struct {
		ns  *os.File
		err error
	}
	namespace := make(chan made, 1)
	go func() {
		runtime.LockOSThread()
		err := unshare(unix.CLONE_NEWNS)()
		var f *os.File
		if err == nil {
			f, err = ownMountNamespace("/proc")
		}
		namespace <- made{f, err}
	}()
	m := <-namespace
	if m.err != nil {
		return reply{}, m.err
	}
	defer m.ns.Close()
	return onSpoiltThread(q, func() error {
		// Only a thread that shares its root with no other may change its mount namespace.
		if err := unshare(unix.CLONE_FS)(); err != nil {
			return err
		}
		if err := unix.Setns(int(m.ns.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("enter mount namespace: %w", err)
		}
		return nil
	})
}

func (a *agent) umountChrooted(q request) (reply, error) {
	path := q.Path
	q.Path = "/"
	return onSpoiltThread(q, func() error {
		if err := unshare(unix.CLONE_FS)(); err != nil {
			return err
		}
		if err := unix.Chroot(path); err != nil {
			return fmt.Errorf("change root to %s: %w", path, err)
		}
		return unix.Chdir("/")
	})
}

// umountPivoted umounts from a new root, where the mount has another path. The guest's first root cannot be pivoted, so
// it enters another one first.
func (a *agent) umountPivoted(q request) (reply, error) {
	source, root := q.Source, q.Other
	q.Path = "/mount"
	return onSpoiltThread(q, func() error {
		if err := unshare(unix.CLONE_NEWNS)(); err != nil {
			return err
		}
		for _, step := range []struct {
			what string
			do   func() error
		}{
			{"make mounts private", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
			{"mount the first root", func() error { return unix.Mount("none", root, "tmpfs", 0, "") }},
			{"make its directory", func() error { return os.Mkdir(root+"/new", 0o755) }},
			{"mount the second root", func() error { return unix.Mount("none", root+"/new", "tmpfs", 0, "") }},
			{"make its directories", func() error { return os.MkdirAll(root+"/new/old", 0o755) }},
			{"make its mount point", func() error { return os.MkdirAll(root+"/new/mount", 0o755) }},
			{"bind", func() error { return bind(source+"/"+dirName, root+"/new/mount") }},
			{"change root", func() error { return unix.Chroot(root) }},
			{"change directory", func() error { return unix.Chdir("/new") }},
			{"pivot root", func() error { return unix.PivotRoot(".", "old") }},
			{"change root again", func() error { return unix.Chroot(".") }},
		} {
			if err := step.do(); err != nil {
				return fmt.Errorf("%s: %w", step.what, err)
			}
		}
		return nil
	})
}
