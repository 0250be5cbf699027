// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"syscall"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/terminal"
)

// Shell is a guest whose shell runs a script, or asks for commands.
type Shell struct {
	Kernel  Choice
	Machine Hardware
	script  []byte // nil for commands from the console
}

// Talk opens a shell on in and out until the guest is off. Where in is no terminal it is a script, which
// the guest runs. An ExitStatus is the shell's.
func (s *Shell) Talk(ctx context.Context, in *os.File, out io.Writer, o Options) (err error) {
	if s.script, err = readScript(ctx, o.Report, in); err != nil {
		return err
	}
	if s.script != nil {
		// The guest has it all; its console gets nothing more.
		if in, err = os.Open(os.DevNull); err != nil {
			return fmt.Errorf("connect console: %w", err)
		}
		defer in.Close()
	}
	c := console{w: out}
	if err := s.run(ctx, in, &c, o); err != nil {
		return err
	}
	return c.end(s.script != nil)
}

// run runs the guest with its console on in and out until it is off.
func (s *Shell) run(ctx context.Context, in *os.File, out io.Writer, o Options) error {
	dir, remove, err := scratch.New("", "kernel")
	if err != nil {
		return fmt.Errorf("unpack kernel: %w", err)
	}
	defer remove()
	k, err := s.Kernel.Unpack(ctx, dir, o)
	if err != nil {
		return err
	}
	if err := k.withLivepatch(s.Machine.Livepatch); err != nil {
		return err
	}
	// Last, as it boots a guest where nothing is known of this machine yet.
	if err := o.Accelerate(ctx); err != nil {
		return err
	}
	k.Script, k.Share = s.script, s.Machine.shared(dir)
	m, err := Machine(ctx, k, o)
	if err != nil {
		return err
	}
	if err := s.Machine.apply(&m); err != nil {
		return err
	}
	m.Append = append(m.Append, "umounttest.mode=shell", "quiet")
	o.Report.Say("booting %s; %s ends it, whatever it is doing", k.Release, qemu.LeaveKeys)
	if s.Machine.GDB > 0 {
		o.Report.Say("the kernel waits for gdb: gdb -ex 'target remote :%d' vmlinux, then continue", s.Machine.GDB)
	}
	return m.Interact(ctx, in, out)
}

// maxScript is the size in bytes up to which a guest takes a script.
const maxScript = 1 << 20

// readScript reads the script that in is; nil is a terminal.
func readScript(ctx context.Context, u job.Reporter, in *os.File) ([]byte, error) {
	if terminal.Is(in) {
		return nil, nil
	}
	u.Say("standard input is not a terminal: reading a script from it, to its end")
	var script []byte
	read := make(chan error, 1)
	go func() {
		var err error
		script, err = io.ReadAll(io.LimitReader(in, maxScript+1))
		read <- err
	}()
	select {
	case <-ctx.Done(): // a writer may never come to its end
		return nil, fmt.Errorf("read the guest's script from standard input: %w", context.Cause(ctx))
	case err := <-read:
		if err != nil {
			err = fmt.Errorf("read the guest's script from standard input: %w (give it a terminal, a file or a pipe)", err)
			if errors.Is(err, syscall.EISDIR) {
				err = job.BadRequest(err)
			}
			return nil, err
		}
	}
	if len(script) > maxScript {
		return nil, job.BadRequest(fmt.Errorf("read the guest's script from standard input: it has more than %d KiB; use a shorter one", maxScript>>10))
	}
	return script, nil
}

// console passes a guest's console on, and keeps the end of it, where the shell's status stands.
type console struct {
	w    io.Writer
	tail []byte
}

func (c *console) Write(p []byte) (int, error) {
	const keep = 4 << 10
	c.tail = append(c.tail, p...)
	c.tail = c.tail[max(0, len(c.tail)-keep):]
	return c.w.Write(p)
}

// ExitStatus is the status, other than 0, with which a guest's shell ended.
type ExitStatus int

func (e ExitStatus) Error() string {
	return fmt.Sprintf("the guest's shell ended with status %d", int(e))
}

var shellEnded = regexp.MustCompile(`(?m)^` + guest.ShellEnded + `([0-9]{1,3})\r*$`)

// end is the shell's status: nil for 0, an ExitStatus for another. One that does not come is an
// error of a script, but not of a person who left with the keys.
func (c *console) end(script bool) error {
	all := shellEnded.FindAllSubmatch(c.tail, -1)
	if len(all) == 0 {
		if script {
			return errors.New("run the script in the guest: the guest ended before its shell did; the console above says why")
		}
		return nil
	}
	// Of a script that prints such a line itself, umounttest's own is the last.
	status, err := strconv.ParseUint(string(all[len(all)-1][1]), 10, 8)
	if err != nil {
		return fmt.Errorf("read the status of the guest's shell: %w", err)
	}
	if status == 0 {
		return nil
	}
	return ExitStatus(status)
}
