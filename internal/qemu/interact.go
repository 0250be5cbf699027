// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/command"
)

// LeaveKeys end an interactive guest, whatever it does.
const LeaveKeys = "Ctrl-A X"

// Interact boots m with its console on in and out until the guest powers off or somebody types
// LeaveKeys. If in is a terminal, Interact makes it raw meanwhile, so that Ctrl-C goes to the
// guest, and restores it afterwards. It has no time limits, and does not write ConsoleLog.
func (m Machine) Interact(ctx context.Context, in *os.File, out io.Writer) error {
	args, err := m.args(consoleStdio, resultsNone)
	if err != nil {
		return err
	}
	restore, err := makeRaw(in)
	if err != nil {
		return fmt.Errorf("prepare terminal: %w", err)
	}
	// QEMU gets pipes, never the terminal: a process group in the background may not use the
	// terminal, and QEMU would leave the caller's descriptors non-blocking.
	keys, feed, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("connect console: %w", err), restore())
	}
	stopped, stop, err := os.Pipe()
	if err != nil {
		keys.Close()
		feed.Close()
		return errors.Join(fmt.Errorf("connect console: %w", err), restore())
	}
	fed := make(chan error, 1)
	go func() {
		defer feed.Close()
		fed <- forward(feed, in, stopped)
	}()
	runErr := command.Run(ctx, command.Cmd{Args: args, Stdin: keys, Stdout: struct{ io.Writer }{out}})
	stop.Close()
	keys.Close()
	feedErr := <-fed
	stopped.Close()
	if err := restore(); err != nil {
		return fmt.Errorf("restore terminal: %w", err)
	}
	// When a cancelled ctx ends QEMU by a signal, QEMU exits with success.
	if ctx.Err() != nil {
		return fmt.Errorf("boot %s: %w", m.Kernel, context.Cause(ctx))
	}
	if runErr != nil {
		return fmt.Errorf("boot %s: %w", m.Kernel, runErr)
	}
	if feedErr != nil {
		return fmt.Errorf("read keys: %w", feedErr)
	}
	return nil
}

// forward copies from in to w until in ends or stopped's other end is closed. A plain read would
// wait on the terminal and swallow the first key meant for the next program.
func forward(w io.Writer, in, stopped *os.File) error {
	fds := []unix.PollFd{
		{Fd: int32(in.Fd()), Events: unix.POLLIN},
		{Fd: int32(stopped.Fd()), Events: unix.POLLIN},
	}
	b := make([]byte, 4096)
	for {
		if _, err := unix.Poll(fds, -1); err != nil {
			if err == unix.EINTR {
				continue
			}
			return err
		}
		if fds[1].Revents != 0 {
			return nil
		}
		if fds[0].Revents == 0 {
			continue
		}
		n, err := in.Read(b)
		if n > 0 {
			if _, err := w.Write(b[:n]); err != nil {
				return nil // QEMU is gone; Run says why
			}
		}
		if err != nil || n == 0 {
			if err == io.EOF || errors.Is(err, unix.EIO) {
				return nil
			}
			return err
		}
	}
}

// makeRaw makes a terminal pass on every key, and returns a function that restores it. It leaves
// anything but a terminal as it is.
func makeRaw(f *os.File) (restore func() error, err error) {
	fd := int(f.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() error { return nil }, nil
	}
	raw := *old
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, err
	}
	return func() error { return unix.IoctlSetTermios(fd, unix.TCSETS, old) }, nil
}
