// SPDX-License-Identifier: GPL-2.0-only

package container

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// veChild is everything a forked process needs to move into a VE and run a program
// there. It is made ready before the fork: in the child only one thread of this
// program is left, which may neither allocate nor wait for another. It must be forked
// at all because the kernel moves single-threaded processes only.
type veChild struct {
	root, slash, proc *byte
	argv, envv        []*byte

	fds     [maxFiles]uintptr // become 0, 1, ..., the vzctl descriptor and the pipe after them
	files   uintptr
	id      uintptr
	request uintptr
	data    []byte
	params  *createParams
	init    bool // make the VE and stay as its process 1
	failed  veFailure
}

const (
	maxFiles = 16
	// aside is above all descriptors in use, so that moving one overwrites none.
	aside = 512
)

// Steps that a child may fail at; the index is what it writes into the pipe.
var veSteps = [...]string{
	"move descriptors", "make session", "set login user id", "unshare mount namespace", "change root",
	"ask /dev/vzctl", "mount /proc", "fork in the VE", "run program",
}

const (
	stepMove = iota
	stepSession
	stepLuid
	stepUnshare
	stepRoot
	stepVzctl
	stepProc
	stepFork
	stepExec
)

// veFailure is what the child writes: a step and an errno.
type veFailure [2]uintptr

// newVEChild makes a child ready that runs args in VE id with files as descriptors
// 0, 1, ...
func newVEChild(root string, args []string, files []*os.File, id, flags uint32) (*veChild, error) {
	if len(files) > maxFiles-2 {
		return nil, fmt.Errorf("pass %d files to a VE: there is room for %d", len(files), maxFiles-2)
	}
	c := &veChild{id: uintptr(id), files: uintptr(len(files)), params: new(createParams), init: flags&veCreate != 0}
	var err error
	if c.argv, err = syscall.SlicePtrFromStrings(args); err != nil {
		return nil, err
	}
	if c.root, err = syscall.BytePtrFromString(root); err != nil {
		return nil, err
	}
	c.envv = []*byte{nil}
	c.slash, _ = syscall.BytePtrFromString("/")
	c.proc, _ = syscall.BytePtrFromString("/proc")
	for i, f := range files {
		c.fds[i] = f.Fd()
	}
	w := word(unsafe.Sizeof(uintptr(0)))
	c.request = w.createRequest()
	c.data = w.createData(id, flags, uintptr(unsafe.Pointer(c.params)), int32(len(c.params)))
	return c, nil
}

// start forks the child and waits until the program runs. It gives the process that was
// forked: the VE's process 1, or the program that entered it.
func (c *veChild) start() (pid int, err error) {
	vzctl, err := openVzctl()
	if err != nil {
		return 0, err
	}
	defer vzctl.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	c.fds[c.files], c.fds[c.files+1] = vzctl.Fd(), w.Fd()

	pid, errno := c.fork()
	runtime.KeepAlive(c)
	w.Close()
	if errno != 0 {
		return 0, fmt.Errorf("fork: %w", errno)
	}
	var failed veFailure
	b := unsafe.Slice((*byte)(unsafe.Pointer(&failed)), unsafe.Sizeof(failed))
	n, err := r.Read(b)
	if n == 0 {
		return pid, nil // closed by the program's start
	}
	var status unix.WaitStatus
	unix.Kill(pid, unix.SIGKILL)
	_, waited := wait(pid, &status)
	if n < len(b) || failed[0] >= uintptr(len(veSteps)) {
		return 0, errors.Join(errors.New("the forked process said something unclear"), err, waited)
	}
	return 0, errors.Join(fmt.Errorf("%s: %w", veSteps[failed[0]], syscall.Errno(failed[1])), waited)
}

// fork blocks all signals around the fork, so that no handler of this program runs in
// the child.
func (c *veChild) fork() (int, syscall.Errno) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all, old := ^uint64(0), uint64(0)
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	syscall.ForkLock.Lock()
	pid, errno := c.clone(&old)
	syscall.ForkLock.Unlock()
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
	return pid, errno
}

//go:nosplit
//go:norace
func (c *veChild) clone(mask *uint64) (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	step, errno := c.move()
	var program uintptr
	if errno == 0 && c.init {
		step = stepFork
		program, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	}
	if errno == 0 && program == 0 {
		step = stepExec
		syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(mask)), 0, 8, 0, 0)
		_, _, errno = syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(c.argv[0])), uintptr(unsafe.Pointer(&c.argv[0])), uintptr(unsafe.Pointer(&c.envv[0])))
	}
	if errno != 0 {
		c.failed = veFailure{uintptr(step), uintptr(errno)}
		syscall.RawSyscall(syscall.SYS_WRITE, c.files+1, uintptr(unsafe.Pointer(&c.failed)), unsafe.Sizeof(c.failed))
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 1, 0, 0)
	}
	c.reap(program)
	return 0, 0
}

// move brings the calling process into the VE.
//
//go:nosplit
//go:norace
func (c *veChild) move() (int, syscall.Errno) {
	for i := uintptr(0); i < c.files+2; i++ {
		fd, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, c.fds[i], syscall.F_DUPFD, aside)
		if errno != 0 {
			return stepMove, errno
		}
		c.fds[i] = fd
	}
	for i := uintptr(0); i < c.files+2; i++ {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_DUP2, c.fds[i], i, 0); errno != 0 {
			return stepMove, errno
		}
	}
	// A process that kept the other ends of its pipes would never see their end. Kernels
	// before 2.6.23 know no O_CLOEXEC, so that all must be closed here.
	for fd := c.files + 2; fd < aside+maxFiles; fd++ {
		syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	}
	for i := c.files; i < c.files+2; i++ {
		syscall.RawSyscall(syscall.SYS_FCNTL, i, syscall.F_SETFD, syscall.FD_CLOEXEC)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0); errno != 0 {
		return stepSession, errno
	}
	// Only 2.6.18 has user beancounters that a process must choose first.
	if _, _, errno := syscall.RawSyscall(sysSetluid, c.id, 0, 0); errno != 0 && errno != syscall.ENOSYS {
		return stepLuid, errno
	}
	if c.init {
		// The kernel makes no mount namespace: the VE's umounts would be the host's.
		if _, _, errno := syscall.RawSyscall(syscall.SYS_UNSHARE, syscall.CLONE_NEWNS, 0, 0); errno != 0 {
			return stepUnshare, errno
		}
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CHROOT, uintptr(unsafe.Pointer(c.root)), 0, 0); errno != 0 {
		return stepRoot, errno
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CHDIR, uintptr(unsafe.Pointer(c.slash)), 0, 0); errno != 0 {
		return stepRoot, errno
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, c.files, c.request, uintptr(unsafe.Pointer(&c.data[0]))); errno != 0 {
		return stepVzctl, errno
	}
	if c.init {
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_MOUNT, uintptr(unsafe.Pointer(c.proc)), uintptr(unsafe.Pointer(c.proc)), uintptr(unsafe.Pointer(c.proc))+1, 0, 0, 0); errno != 0 {
			return stepProc, errno
		}
	}
	return 0, 0
}

// reap is the life of the VE's process 1: it ends with the program. This program's own
// runtime cannot be process 1, for the end of a process with threads would leave the VE
// behind, never stopping.
//
//go:nosplit
//go:norace
func (c *veChild) reap(program uintptr) {
	for fd := uintptr(0); fd < c.files+2; fd++ {
		syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	}
	for {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_WAIT4, ^uintptr(0), 0, 0, 0, 0, 0)
		if errno == syscall.ECHILD || errno == 0 && pid == program {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
}

func wait(pid int, status *unix.WaitStatus) (int, error) {
	for {
		n, err := unix.Wait4(pid, status, 0, nil)
		if err != unix.EINTR {
			return n, err
		}
	}
}
