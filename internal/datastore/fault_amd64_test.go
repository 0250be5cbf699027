// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fault is what happens to the n-th system call, from 1, of a traced program: the whole
// program is killed before it, or, with an errno, it fails with that and does nothing.
// Only calls that counts are numbered, all threads' together, from the program's call of
// getsid(2) on, which marks the begin of what is tested.
type fault struct {
	n      int
	errno  unix.Errno
	counts func(nr uint64, args [6]uint64) bool
	// fails returns with what a call fails whatever its number, 0 for the others; nil is none.
	fails func(nr uint64, args [6]uint64) unix.Errno
}

// syscallInfo is struct ptrace_syscall_info at a system call's entry.
type syscallInfo struct {
	Op   uint8
	_    [3]uint8
	Arch uint32
	IP   uint64
	SP   uint64
	Nr   uint64
	Args [6]uint64
}

const (
	getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	atEntry        = 1      // PTRACE_SYSCALL_INFO_ENTRY
	inSyscall      = unix.SIGTRAP | 0x80
	noThread       = 0x20000000 // __WNOTHREAD: this thread's children only
)

// own is the Go runtime's housekeeping, which no file ever sees.
var own = map[uint64]bool{
	unix.SYS_FUTEX: true, unix.SYS_NANOSLEEP: true, unix.SYS_CLOCK_NANOSLEEP: true, unix.SYS_SCHED_YIELD: true,
	unix.SYS_MADVISE: true, unix.SYS_MMAP: true, unix.SYS_MUNMAP: true, unix.SYS_MPROTECT: true, unix.SYS_PRCTL: true,
	unix.SYS_RT_SIGACTION: true, unix.SYS_RT_SIGPROCMASK: true, unix.SYS_RT_SIGRETURN: true, unix.SYS_SIGALTSTACK: true,
	unix.SYS_TGKILL: true, unix.SYS_GETTID: true, unix.SYS_GETPID: true, unix.SYS_EPOLL_CTL: true, unix.SYS_EPOLL_PWAIT: true,
	unix.SYS_EPOLL_WAIT: true, unix.SYS_EPOLL_CREATE1: true, unix.SYS_EVENTFD2: true, unix.SYS_CLONE: true, unix.SYS_CLONE3: true,
	unix.SYS_SET_ROBUST_LIST: true, unix.SYS_RSEQ: true, unix.SYS_GETRANDOM: true, unix.SYS_SCHED_GETAFFINITY: true,
	unix.SYS_RESTART_SYSCALL: true, unix.SYS_TIMER_CREATE: true, unix.SYS_TIMER_SETTIME: true, unix.SYS_TIMER_DELETE: true,
	unix.SYS_SETITIMER: true, unix.SYS_EXIT: true, unix.SYS_EXIT_GROUP: true, unix.SYS_UNAME: true, unix.SYS_MINCORE: true,
}

func everyCall(nr uint64, _ [6]uint64) bool { return !own[nr] }

// takesSpace tells the calls that a full disk makes fail.
func takesSpace(nr uint64, args [6]uint64) bool {
	switch nr {
	case unix.SYS_WRITE:
		return args[0] > 2
	case unix.SYS_OPENAT:
		return args[2]&unix.O_CREAT != 0
	case unix.SYS_MKDIRAT, unix.SYS_MKDIR, unix.SYS_LINKAT, unix.SYS_LINK, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
		unix.SYS_RENAME, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_PWRITE64, unix.SYS_COPY_FILE_RANGE:
		return true
	}
	return false
}

// traced is how a program under a fault ended.
type traced struct {
	hit  bool // the n-th call was reached
	what uint64
	ws   unix.WaitStatus
	out  string
}

// runFaulty runs this test binary with the arguments under a fault.
func runFaulty(t *testing.T, f fault, args ...string) (res traced) {
	t.Helper()
	// All of ptrace(2) goes by threads.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.SysProcAttr = &unix.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("trace a program: %v (is ptrace forbidden here? this test needs it)", err)
	}
	leader := cmd.Process.Pid
	defer cmd.Process.Release()
	started, counting, seen := false, false, 0
	failing := map[int]unix.Errno{} // threads in a call that is made to fail
	fail := func(tid int, errno unix.Errno) {
		failing[tid] = errno
		var regs unix.PtraceRegs
		if err := unix.PtraceGetRegs(tid, &regs); err != nil {
			t.Fatal(err)
		}
		regs.Orig_rax = ^uint64(0)
		if err := unix.PtraceSetRegs(tid, &regs); err != nil {
			t.Fatal(err)
		}
	}
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL|noThread, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatalf("wait for a traced program: %v", err)
		}
		if ws.Exited() || ws.Signaled() {
			if tid != leader {
				continue
			}
			b, err := os.ReadFile(out.Name())
			if err != nil {
				t.Fatal(err)
			}
			res.ws, res.out = ws, string(bytes.TrimSpace(b))
			return res
		}
		if !started {
			started = true
			const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
			if err := unix.PtraceSetOptions(tid, options); err != nil {
				t.Fatalf("trace a program: %v", err)
			}
			unix.PtraceSyscall(tid, 0)
			continue
		}
		if ws.StopSignal() != inSyscall {
			signal := int(ws.StopSignal())
			if ws.StopSignal() == unix.SIGTRAP || ws.StopSignal() == unix.SIGSTOP {
				signal = 0 // ptrace's own: a new thread
			}
			unix.PtraceSyscall(tid, signal)
			continue
		}
		if errno := failing[tid]; errno != 0 {
			delete(failing, tid)
			var regs unix.PtraceRegs
			if err := unix.PtraceGetRegs(tid, &regs); err != nil {
				t.Fatal(err)
			}
			regs.Rax = uint64(-int64(errno))
			if err := unix.PtraceSetRegs(tid, &regs); err != nil {
				t.Fatal(err)
			}
			unix.PtraceSyscall(tid, 0)
			continue
		}
		var info syscallInfo
		_, _, e := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
		if e != 0 && e != unix.ESRCH {
			t.Fatalf("PTRACE_GET_SYSCALL_INFO: %v", e)
		}
		if e == 0 && info.Op == atEntry {
			if info.Nr == unix.SYS_GETSID {
				counting = true
			} else if counting {
				if f.counts(info.Nr, info.Args) {
					seen++
				}
				if seen == f.n && !res.hit {
					res.hit, res.what = true, info.Nr
					if f.errno == 0 {
						unix.Kill(leader, unix.SIGKILL)
						continue
					}
					fail(tid, f.errno)
				} else if f.fails != nil && f.fails(info.Nr, info.Args) != 0 {
					fail(tid, f.fails(info.Nr, info.Args))
				}
			}
		}
		unix.PtraceSyscall(tid, 0)
	}
}

func (r traced) String() string {
	return fmt.Sprintf("call %d: %v, exit %d, signal %v: %s", r.what, r.hit, r.ws.ExitStatus(), r.ws.Signal(), r.out)
}
