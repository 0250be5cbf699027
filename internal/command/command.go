// SPDX-License-Identifier: Apache-2.0

// Package command runs the field's programs (rpmbuild, make, qemu, createrepo_c):
// an argument vector in, never a shell string; a process group of its own, so that
// cancelling the context ends the program and everything it started.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// WaitDelay is how long a program may take to end after SIGTERM before its whole
// process group gets SIGKILL.
const WaitDelay = 10 * time.Second

// tailBytes is how much of a program's output an Error keeps.
const tailBytes = 4096

// Cmd describes one run of a program. Args[0] is looked up in PATH.
type Cmd struct {
	Args []string
	Dir  string   // working directory; "" is the caller's
	Env  []string // added to the environment, KEY=value
	// Clean passes on only those variables of the caller that say where things are. It is for
	// programs whose result must not depend on what a user has set, such as LOCALVERSION.
	Clean bool

	Stdin io.Reader
	// Stdout receives only standard output. If it is nil, standard output goes where standard
	// error goes.
	Stdout io.Writer
	// Log is a file that receives the full output; it is appended to.
	Log string
	// Line is called with every finished line of the logged output.
	Line func(string)
	// ExtraFiles become descriptors 3, 4, ... of the program.
	ExtraFiles []*os.File
	// Limit ends the program after that time; 0 means no limit.
	Limit time.Duration
	// Hangup is for a program that changes to another user, so that we may not send it signals.
	// It gets SIGHUP instead of SIGTERM, and time to clean up.
	Hangup bool
}

// Error tells that a program could not be started, was stopped, or exited non-zero.
type Error struct {
	Args     []string
	ExitCode int    // -1 when the program was not started or was killed
	LogPath  string // file with the full output, "" when there is none
	Tail     string // the last lines that it printed
	Err      error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %s: %v", e.Args[0], e.Err)
	if t := strings.TrimSpace(e.Tail); t != "" {
		fmt.Fprintf(&b, "\n%s", t)
	}
	if e.LogPath != "" {
		fmt.Fprintf(&b, "\nfull output: %s", e.LogPath)
	}
	return b.String()
}

// Unwrap returns the cause: an *exec.ExitError, an *exec.Error, or the context's error.
func (e *Error) Unwrap() error { return e.Err }

// Run runs c to its end. If ctx ends first, the process group gets SIGTERM, and SIGKILL after
// WaitDelay (with Hangup, SIGHUP, and SIGKILL after a minute). The *Error then unwraps to the
// context's cause.
func Run(ctx context.Context, c Cmd) error {
	fail := func(code int, tail string, err error) error {
		return &Error{Args: c.Args, ExitCode: code, LogPath: c.Log, Tail: tail, Err: err}
	}
	if c.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.Limit, fmt.Errorf("no end within %v", c.Limit))
		defer cancel()
	}
	catchIgnored()
	out := &output{line: c.Line}
	if c.Log != "" {
		f, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fail(-1, "", err)
		}
		defer f.Close()
		out.log = f
	}
	if err := ctx.Err(); err != nil {
		return fail(-1, "", context.Cause(ctx))
	}
	cmd := c.exec(out)
	// If this process is killed, the kernel ends the program too. The kernel ties that to the
	// thread that started the program, so we keep that thread to the end.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	end, delay := func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }, WaitDelay
	if c.Hangup {
		t, err := openTerminal()
		if err != nil {
			return fail(-1, "", err)
		}
		defer t.slave.Close()
		defer t.master.Close()
		cmd.ExtraFiles = append(slices.Clone(c.ExtraFiles), t.slave)
		cmd.SysProcAttr = t.attr(2 + len(cmd.ExtraFiles))
		end, delay = func() { t.master.Close() }, hangupDelay
	}
	if err := cmd.Start(); err != nil {
		return fail(-1, "", err)
	}
	err := wait(ctx, cmd, end, delay)
	out.flush()
	// Some programs exit with 0 on SIGTERM; that is not success.
	if ctx.Err() != nil {
		return fail(-1, out.tail(), context.Cause(ctx))
	}
	// The latter means that it ended well, and left a daemon that had its output open.
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fail(exit.ExitCode(), out.tail(), err)
	}
	return fail(-1, out.tail(), err)
}

// exec returns the program as os/exec runs it, with its output going to out.
func (c *Cmd) exec(out *output) *exec.Cmd {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = os.Environ()
	if c.Clean {
		cmd.Env = clean(cmd.Env)
	}
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.Stdin = c.Stdin
	cmd.Stderr = out
	cmd.Stdout = out
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	cmd.ExtraFiles = c.ExtraFiles
	// A daemon that kept the output pipe must not block Wait forever.
	cmd.WaitDelay = WaitDelay
	return cmd
}

// wait waits for the program. If ctx ends first, it calls end, and after delay it kills the
// process group.
func wait(ctx context.Context, cmd *exec.Cmd, end func(), delay time.Duration) error {
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		end()
		select {
		case <-done:
		case <-time.After(delay):
		case <-hurried:
		}
		// Also after the leader ended cleanly: nothing of the group may stay.
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}()
	err := cmd.Wait()
	close(done)
	<-stopped
	return err
}

var hurried = make(chan struct{})

// Hurry takes away the time that programs have to end after their context has: SIGKILL comes at
// once. It is for a user who does not want to wait, and cannot be undone.
var Hurry = sync.OnceFunc(func() { close(hurried) })

// Output runs c and returns its standard output; the Error keeps standard error.
func Output(ctx context.Context, c Cmd) ([]byte, error) {
	var b bytes.Buffer
	c.Stdout = &b
	err := Run(ctx, c)
	return b.Bytes(), err
}

// answerLimit is how long a program may take to print its version and the like. It is long
// because the machine may be busy and the program on a network filesystem.
const answerLimit = 30 * time.Second

// Ask returns the standard output of a program that answers at once.
func Ask(ctx context.Context, args ...string) ([]byte, error) {
	return Output(ctx, Cmd{Args: args, Limit: answerLimit})
}

// output is where a program's output goes: the log, the line callback, a short tail.
type output struct {
	log  io.Writer
	line func(string)
	part []byte // the unfinished last line
	last []byte
}

func (o *output) Write(p []byte) (int, error) {
	if o.log != nil {
		if _, err := o.log.Write(p); err != nil {
			return 0, err
		}
	}
	o.last = append(o.last, p...)
	if len(o.last) > 2*tailBytes {
		o.last = append([]byte(nil), o.last[len(o.last)-tailBytes:]...)
	}
	if o.line == nil {
		return len(p), nil
	}
	o.part = append(o.part, p...)
	for {
		i := bytes.IndexByte(o.part, '\n')
		if i < 0 {
			return len(p), nil
		}
		o.line(strings.TrimSuffix(string(o.part[:i]), "\r"))
		o.part = o.part[i+1:]
	}
}

func (o *output) flush() {
	if o.line != nil && len(o.part) > 0 {
		o.line(string(o.part))
		o.part = nil
	}
}

// tail returns the last whole lines, at most tailBytes.
func (o *output) tail() string {
	t := o.last
	if len(t) > tailBytes {
		t = t[len(t)-tailBytes:]
		if i := bytes.IndexByte(t, '\n'); i >= 0 {
			t = t[i+1:]
		}
	}
	return string(t)
}
