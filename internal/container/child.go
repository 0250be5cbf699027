// SPDX-License-Identifier: Apache-2.0

package container

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// child is a forked process that moves into a container and runs a program there. Its raw system
// calls are written down before the fork. The fork is necessary because kernels move only
// single-threaded processes into a VE. After the fork only one thread of this program is left,
// which may neither allocate memory nor wait for another thread.
type child struct {
	// stages are processes. This program forks the first; each stage clones the next, waits for
	// it, and exits with its status. The last one runs the program.
	stages []stage

	program    string
	argv, envv []*byte
	opened     []*os.File
	fds        [maxFiles]uintptr // of opened; they become 0, 1, ...
	count      uintptr           // of fds
	files      uintptr           // how many of them the program gets
	null       *os.File
	keep       []any // what the calls' arguments point to
}

// stage is one process of a child.
type stage struct {
	flags uintptr // of its clone
	calls []call
}

// call is one system call.
type call struct {
	what string // for an error
	nr   uintptr
	args [5]uintptr
	may  syscall.Errno // an errno that is not a failure
}

const (
	maxFiles = 16
	// aside is a number above all descriptors in use, so that moving a descriptor overwrites
	// none.
	aside = 512
)

// newChild prepares a child with one stage and no calls. Its program gets output, complaints and
// files as descriptors 1, 2, 3, and so on. It has no input; nil stands for /dev/null.
func newChild(args []string, output, complaints *os.File, files ...*os.File) (*child, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	c := &child{program: args[0], envv: []*byte{nil}, stages: []stage{{flags: uintptr(syscall.SIGCHLD)}}, null: null}
	if c.argv, err = syscall.SlicePtrFromStrings(args); err != nil {
		return nil, err
	}
	for _, f := range append([]*os.File{null, output, complaints}, files...) {
		if f == nil {
			f = null
		}
		if _, err := c.descriptor(f); err != nil {
			return nil, err
		}
	}
	c.files = c.count
	return c, nil
}

// descriptor returns f's number in the child's calls.
func (c *child) descriptor(f *os.File) (uintptr, error) {
	if c.count == maxFiles {
		return 0, fmt.Errorf("pass more than %d files to a container", maxFiles)
	}
	c.opened = append(c.opened, f)
	c.fds[c.count] = f.Fd()
	c.count++
	return c.count - 1, nil
}

// text returns s as system calls take it. It panics if s holds a zero byte, which no file name
// does.
func (c *child) text(s string) uintptr {
	p, err := syscall.BytePtrFromString(s)
	if err != nil {
		panic(err)
	}
	c.keep = append(c.keep, p)
	return uintptr(unsafe.Pointer(p))
}

// buffer returns n bytes that system calls may write into.
func (c *child) buffer(n int) uintptr {
	b := make([]byte, n)
	c.keep = append(c.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// write adds to the last stage a call that writes text into a file.
func (c *child) write(f *os.File, text string) error {
	fd, err := c.descriptor(f)
	if err == nil {
		c.last(call{"write " + text + " to " + f.Name(), unix.SYS_WRITE, [5]uintptr{fd, c.text(text), uintptr(len(text))}, 0})
	}
	return err
}

// last adds calls to the last stage.
func (c *child) last(calls ...call) {
	s := &c.stages[len(c.stages)-1]
	s.calls = append(s.calls, calls...)
}

// clone adds a stage.
func (c *child) clone(flags uintptr) {
	c.stages = append(c.stages, stage{flags: uintptr(syscall.SIGCHLD) | flags})
}

// told is what a child's processes write into a pipe.
type told struct{ Kind, Stage, Call, Value uint32 }

const (
	toldForked      = iota // Value is the process that is Stage
	toldFailedMove         // of descriptors; Value is the errno, as in the next ones
	toldFailedCall         // Call of Stage
	toldFailedFork         // of Stage
	toldFailedStart        // of the program
)

// start forks the child and waits until the program runs. It calls forked for every process, with
// the number that its parent sees. It returns the first process, which the caller must wait for.
// A child starts only once.
func (c *child) start(forked func(stage, pid int) error) (pid int, err error) {
	defer c.null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if _, err := c.descriptor(w); err != nil {
		w.Close()
		return 0, err
	}
	pid, errno := c.fork()
	runtime.KeepAlive(c)
	w.Close()
	if errno != 0 {
		return 0, fmt.Errorf("fork: %w", errno)
	}
	err = forked(0, pid)
	for err == nil {
		var t told
		err = binary.Read(r, binary.NativeEndian, &t)
		switch {
		case err == io.EOF:
			return pid, nil // closed by the program's start
		case err != nil:
		case t.Kind == toldForked:
			err = forked(int(t.Stage), int(t.Value))
		default:
			err = c.failure(t)
		}
	}
	// The processes of later stages have failed already, or fail for lack of id maps.
	unix.Kill(pid, unix.SIGKILL)
	var status unix.WaitStatus
	_, waited := wait(pid, &status)
	return 0, errors.Join(err, waited)
}

// failure turns what a child told into an error.
func (c *child) failure(t told) error {
	errno := syscall.Errno(t.Value)
	switch {
	case t.Kind == toldFailedMove:
		return fmt.Errorf("move descriptors: %w", errno)
	case t.Kind == toldFailedFork:
		return fmt.Errorf("clone: %w", errno)
	case t.Kind == toldFailedStart:
		return fmt.Errorf("run %s: %w", c.program, errno)
	case t.Kind == toldFailedCall && int(t.Stage) < len(c.stages) && int(t.Call) < len(c.stages[t.Stage].calls):
		return fmt.Errorf("%s: %w", c.stages[t.Stage].calls[t.Call].what, errno)
	}
	return fmt.Errorf("the forked process sent an unknown message: %+v", t)
}

func wait(pid int, status *unix.WaitStatus) (int, error) {
	for {
		n, err := unix.Wait4(pid, status, 0, nil)
		if err != unix.EINTR {
			return n, err
		}
	}
}
