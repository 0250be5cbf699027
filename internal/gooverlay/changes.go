// SPDX-License-Identifier: Apache-2.0

package gooverlay

import "regexp"

// changes name what kernels before 2.6.27 lack: FUTEX_PRIVATE_FLAG (2.6.22), epoll_pwait
// (2.6.19), epoll_create1, eventfd2, pipe2 and dup3 (2.6.27).
var changes = []change{
	{
		file: "runtime/os_linux.go",
		gone: regexp.MustCompile(`_FUTEX_PRIVATE_FLAG\s*=\s*[1-9].*`),
		edits: []edit{
			{"_FUTEX_PRIVATE_FLAG = 128", "_FUTEX_PRIVATE_FLAG = 0", 1},
		},
	},
	{
		file: "internal/runtime/syscall/linux/syscall_linux.go",
		gone: regexp.MustCompile(`SYS_(EPOLL_PWAIT2?|EPOLL_CREATE1|EVENTFD2)\b`),
		edits: []edit{
			{
				`func EpollCreate1(flags int32) (fd int32, errno uintptr) {
	r1, _, e := Syscall6(SYS_EPOLL_CREATE1, uintptr(flags), 0, 0, 0, 0, 0)
	return int32(r1), e
}
`, `// Without the calls that take flags a child started meanwhile may inherit the descriptor.
const (
	sysPipe        = 22*goarch.IsAmd64 + 42*goarch.Is386
	sysEpollCreate = 213*goarch.IsAmd64 + 254*goarch.Is386
	sysEpollWait   = 232*goarch.IsAmd64 + 256*goarch.Is386
)

const (
	fSetFD    = 2
	fSetFL    = 4
	fdCloexec = 1
	oNonblock = 0x800
)

func EpollCreate1(flags int32) (fd int32, errno uintptr) {
	// The number is a hint for the size and must not be 0.
	r1, _, e := Syscall6(sysEpollCreate, 1, 0, 0, 0, 0, 0)
	if e == 0 && flags&EPOLL_CLOEXEC != 0 {
		_, _, e = Syscall6(SYS_FCNTL, r1, fSetFD, fdCloexec, 0, 0, 0)
	}
	return int32(r1), e
}
`, 1,
			},
			{"Syscall6(SYS_EPOLL_PWAIT, ", "Syscall6(sysEpollWait, ", 1},
			{
				`func Eventfd(initval, flags int32) (fd int32, errno uintptr) {
	r1, _, e := Syscall6(SYS_EVENTFD2, uintptr(initval), uintptr(flags), 0, 0, 0, 0)
	return int32(r1), e
}
`, `// BreakPipe gives a pipe in place of an eventfd: what is written to w wakes who polls r.
func BreakPipe() (r, w int32, errno uintptr) {
	var p [2]int32
	_, _, e := Syscall6(sysPipe, uintptr(unsafe.Pointer(&p)), 0, 0, 0, 0, 0)
	for _, fd := range p {
		if e == 0 {
			_, _, e = Syscall6(SYS_FCNTL, uintptr(fd), fSetFD, fdCloexec, 0, 0, 0)
		}
		if e == 0 {
			_, _, e = Syscall6(SYS_FCNTL, uintptr(fd), fSetFL, oNonblock, 0, 0, 0)
		}
	}
	return p[0], p[1], e
}
`, 1,
			},
		},
	},
	{
		file: "runtime/netpoll_epoll.go",
		gone: regexp.MustCompile(`linux\.Eventfd|write\(netpollEventFd`),
		edits: []edit{
			{
				"netpollEventFd uintptr            // eventfd for netpollBreak\n",
				"netpollEventFd uintptr            // pipe for netpollBreak\n\tnetpollBreakFd uintptr            // its other end\n", 1,
			},
			{"efd, errno := linux.Eventfd(0, linux.EFD_CLOEXEC|linux.EFD_NONBLOCK)", "efd, wfd, errno := linux.BreakPipe()", 1},
			{"netpollEventFd = uintptr(efd)\n", "netpollEventFd = uintptr(efd)\n\tnetpollBreakFd = uintptr(wfd)\n", 1},
			{"fd == uintptr(epfd) || fd == netpollEventFd", "fd == uintptr(epfd) || fd == netpollEventFd || fd == netpollBreakFd", 1},
			{"write(netpollEventFd, ", "write(netpollBreakFd, ", 1},
		},
	},
	{
		file: "syscall/syscall_linux.go",
		gone: regexp.MustCompile(`[^\w"](err :?= pipe2\(.*|SYS_PIPE2)`),
		edits: []edit{
			{"err := pipe2(&pp, flags)", "err := pipeFlags(&pp, flags)", 1},
			{
				"func Pipe2(p []int, flags int) error {\n", `// pipeFlags is pipe2 for kernels without it.
func pipeFlags(p *[2]_C_int, flags int) error {
	if _, _, e := RawSyscall(SYS_PIPE, uintptr(unsafe.Pointer(p)), 0, 0); e != 0 {
		return e
	}
	for _, fd := range p {
		if flags&O_CLOEXEC != 0 {
			CloseOnExec(int(fd))
		}
		if flags&O_NONBLOCK != 0 {
			if err := SetNonblock(int(fd), true); err != nil {
				Close(int(p[0]))
				Close(int(p[1]))
				return err
			}
		}
	}
	return nil
}

func Pipe2(p []int, flags int) error {
`, 1,
			},
		},
	},
	{
		file: "syscall/exec_linux.go",
		gone: regexp.MustCompile(`RawSyscall\(SYS_DUP3`),
		edits: []edit{
			{"RawSyscall(SYS_DUP3, ", "dupFlags(", 3},
			{
				"// Implemented in runtime package.\n", `// dupFlags is dup3 for kernels without it. It runs in the child after fork.
//
//go:nosplit
//go:norace
func dupFlags(from, to, flags uintptr) (r1, r2 uintptr, err Errno) {
	if r1, r2, err = RawSyscall(SYS_DUP2, from, to, 0); err == 0 && flags != 0 {
		_, _, err = RawSyscall(fcntl64Syscall, to, F_SETFD, FD_CLOEXEC)
	}
	return
}

// Implemented in runtime package.
`, 1,
			},
		},
	},
}
