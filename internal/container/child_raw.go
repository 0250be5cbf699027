// SPDX-License-Identifier: Apache-2.0

package container

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Everything after fork's clone runs in the forked process: only raw system calls, no stack
// growth, no allocation, no locks.

// fork blocks all signals around the fork, so that no handler of this program runs in
// the child.
func (c *child) fork() (int, syscall.Errno) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all, old := ^uint64(0), uint64(0)
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	syscall.ForkLock.Lock()
	pid, errno := c.cloneFirst(&old)
	syscall.ForkLock.Unlock()
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
	return pid, errno
}

//go:nosplit
//go:norace
func (c *child) cloneFirst(mask *uint64) (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, c.stages[0].flags, 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	if errno := c.move(); errno != 0 {
		c.fail(toldFailedMove, 0, 0, errno)
	}
	for s := 0; ; s++ {
		c.live(s)
		if s+1 == len(c.stages) {
			break
		}
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, c.stages[s+1].flags, 0, 0, 0, 0, 0)
		if errno != 0 {
			c.fail(toldFailedFork, s+1, 0, errno)
		}
		if pid != 0 {
			c.tell(told{toldForked, uint32(s + 1), 0, uint32(pid)})
			c.stay(pid)
		}
	}
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(mask)), 0, 8, 0, 0)
	_, _, errno = syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(c.argv[0])), uintptr(unsafe.Pointer(&c.argv[0])), uintptr(unsafe.Pointer(&c.envv[0])))
	c.fail(toldFailedStart, 0, 0, errno)
	return 0, 0
}

// move makes the descriptors 0, 1, ... and closes all others.
//
//go:nosplit
//go:norace
func (c *child) move() syscall.Errno {
	for i := uintptr(0); i < c.count; i++ {
		fd, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, c.fds[i], syscall.F_DUPFD, aside)
		if errno != 0 {
			return errno
		}
		c.fds[i] = fd
	}
	for i := uintptr(0); i < c.count; i++ {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_DUP2, c.fds[i], i, 0); errno != 0 {
			return errno
		}
	}
	// A process that keeps the other ends of its pipes never sees them close. Kernels before
	// 2.6.23 have no O_CLOEXEC, so close all of them here.
	for fd := c.count; fd < aside+maxFiles; fd++ {
		syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	}
	for i := c.files; i < c.count; i++ {
		syscall.RawSyscall(syscall.SYS_FCNTL, i, syscall.F_SETFD, syscall.FD_CLOEXEC)
	}
	return 0
}

// live makes a stage's calls.
//
//go:nosplit
//go:norace
func (c *child) live(s int) {
	calls := c.stages[s].calls
	for i := range calls {
		k := &calls[i]
		_, _, errno := syscall.RawSyscall6(k.nr, k.args[0], k.args[1], k.args[2], k.args[3], k.args[4], 0)
		if errno != 0 && errno != k.may {
			c.fail(toldFailedCall, s, i, errno)
		}
	}
}

//go:nosplit
//go:norace
func (c *child) fail(kind uint32, s, i int, errno syscall.Errno) {
	c.tell(told{kind, uint32(s), uint32(i), uint32(errno)})
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// tell writes into the pipe, which is the last descriptor.
//
//go:nosplit
//go:norace
func (c *child) tell(t told) {
	syscall.RawSyscall(syscall.SYS_WRITE, c.count-1, uintptr(unsafe.Pointer(&t)), unsafe.Sizeof(t))
}

// stay waits for a process and ends as it ended. In a container this is process 1, and waits for
// all orphans. Go's runtime cannot be process 1: on 2.6.18 and 2.6.32 a VE never stops after the
// end of a process 1 with threads.
//
//go:nosplit
//go:norace
func (c *child) stay(program uintptr) {
	for fd := uintptr(0); fd < c.count; fd++ {
		syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	}
	for {
		status := uint32(0)
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&status)), 0, 0, 0, 0)
		code := uintptr(status >> 8 & 0xff)
		if status&0x7f != 0 {
			code = 128 + uintptr(status&0x7f)
		}
		if errno == syscall.ECHILD || errno == 0 && pid == program {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, code, 0, 0)
		}
	}
}
