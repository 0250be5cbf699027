// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/trial"
)

func newShell(a *app) *cobra.Command {
	var (
		kernel  kernelFlags
		machine machineFlags
	)
	c := &cobra.Command{
		Use:   "shell RPM",
		Short: "An interactive guest with the same kernel and initramfs",
		Long: `shell boots the kernel of RPM as ovzpatch test does, with the probe or your own Lustre, but opens
a shell on its console. Ctrl-C ends a command there; exit, or Ctrl-D, ends the shell, and Ctrl-A X
the guest, whatever it does.

Where standard input is no terminal, it is a script: ovzpatch reads it to its end, the guest runs
it with nothing on its own standard input, and goes off. The exit code is then the status of the
script, as 7 after exit 7; it is 1 also where the guest ended before its shell did. For one command
there is ovzpatch exec.`,
		Example: `  ovzpatch shell kernel-ovz-6.1.192-1.lustre1.x86_64.rpm
  ovzpatch shell kernel-ovz-6.1.192-1.lustre1.x86_64.rpm --memory=2G --cpus=2
  ovzpatch shell kernel-ovz-6.1.192-1.lustre1.x86_64.rpm --gdb=1234`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s := shellSession{app: a, kernel: &kernel, machine: &machine}
			if err := s.check(c, args); err != nil {
				return err
			}
			in, ok := c.InOrStdin().(*os.File)
			if !ok {
				return errors.New("a guest's console needs a file as standard input")
			}
			script, err := readScript(c.Context(), newUI(c), in)
			if err != nil {
				return err
			}
			if script != nil {
				// The guest has it all; its console gets nothing more.
				if in, err = os.Open(os.DevNull); err != nil {
					return fmt.Errorf("connect console: %w", err)
				}
				defer in.Close()
			}
			end := shellEnd{w: c.OutOrStdout()}
			if err := s.boot(c, in, &end, script); err != nil {
				return err
			}
			return end.error(script != nil)
		},
	}
	kernel.register(c)
	machine.register(c)
	return c
}

// shellSession is a guest whose shell runs a script, or asks for commands.
type shellSession struct {
	*app
	kernel  *kernelFlags
	machine *machineFlags
}

// check refuses what cannot be booted, before anything slow.
func (s *shellSession) check(c *cobra.Command, args []string) error {
	if err := s.kernel.check(c, args); err != nil {
		return err
	}
	if err := s.machine.check(c); err != nil {
		return err
	}
	return s.kernel.ready(false)
}

// boot runs the guest with its console on in and out until it is off.
func (s *shellSession) boot(c *cobra.Command, in *os.File, out io.Writer, script []byte) error {
	ctx, u := c.Context(), newUI(c)
	o := trial.Options{Cache: cache.Cache{Dir: s.cacheDir}, Home: s.home, Report: u}
	if err := o.Accelerate(ctx); err != nil {
		return err
	}
	dir, remove, err := scratch.New("", "kernel")
	if err != nil {
		return fmt.Errorf("unpack kernel: %w", err)
	}
	defer remove()
	k, err := s.kernel.Unpack(ctx, dir, o)
	if err != nil {
		return err
	}
	k.Script, k.Livepatch, k.Share = script, s.machine.livepatch, s.machine.shared(dir)
	m, err := trial.Machine(ctx, k, o)
	if err != nil {
		return err
	}
	s.machine.apply(&m)
	m.Append = append(m.Append, "umounttest.mode=shell", "quiet")
	u.Say("booting %s; %s leaves it whatever it does", k.Release, qemu.LeaveKeys)
	if s.machine.gdb > 0 {
		u.Say("the kernel waits for gdb: gdb -ex 'target remote :%d' vmlinux, then continue", s.machine.gdb)
	}
	return m.Interact(ctx, in, out)
}

// maxScript is the size in bytes up to which standard input is taken for a script.
const maxScript = 1 << 20

// readScript reads the script that in is; nil is a terminal.
func readScript(ctx context.Context, u job.Reporter, in *os.File) ([]byte, error) {
	if _, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS); err == nil {
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
				err = usage(err)
			}
			return nil, err
		}
	}
	if len(script) > maxScript {
		return nil, job.BadRequest(fmt.Errorf("read the guest's script from standard input: it has more than %d KiB; give it a shorter one", maxScript>>10))
	}
	return script, nil
}

// shellEnd passes a console on and keeps the end of it, where the shell's status stands.
type shellEnd struct {
	w    io.Writer
	tail []byte
}

func (e *shellEnd) Write(p []byte) (int, error) {
	const keep = 4 << 10
	e.tail = append(e.tail, p...)
	e.tail = e.tail[max(0, len(e.tail)-keep):]
	return e.w.Write(p)
}

var shellEnded = regexp.MustCompile(`(?m)^` + guest.ShellEnded + `([0-9]{1,3})\r*$`)

// error is the shell's status. One that does not come is an error of a script, but not of a
// person who left with the keys.
func (e *shellEnd) error(script bool) error {
	all := shellEnded.FindAllSubmatch(e.tail, -1)
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
	return &coded{int(status), fmt.Errorf("the guest's shell ended with status %d", status)}
}
