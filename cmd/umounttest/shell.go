// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/umount"
)

// shellMount is where the shell finds the filesystem.
const shellMount = "/mnt/lustre"

const shellHint = `
lustre is mounted at ` + shellMount + `. Try:
  umount -f ` + shellMount + `
  /init list
  /init run --cases=force-idle%s
  dmesg
Ctrl-C ends a command. exit or Ctrl-D ends this shell, and the machine goes off.
`

// shell runs a shell on the console until it ends, and says its status there, with a user's
// Lustre from source, or with the probe where that is "". Where the host gave a script, the
// shell runs that and asks for nothing.
func shell(source string) error {
	hint := fmt.Sprintf(shellHint, "")
	if err := os.MkdirAll(shellMount, 0o755); err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	var fs umount.Filesystem = umount.Probe{}
	if source != "" {
		hint = fmt.Sprintf(shellHint, " --mount="+source)
		fs = umount.Lustre{Source: source}
		if err := runSetup(context.Background(), setupScript); err != nil {
			fmt.Fprintln(os.Stderr, "umounttest:", err)
		}
	}
	if err := fs.Mount(context.Background(), "lustre", shellMount); err != nil {
		fmt.Fprintln(os.Stderr, "umounttest:", err)
	}
	path, err := findShell()
	if err != nil {
		return err
	}
	// /dev/console cannot be a controlling terminal, so that Ctrl-C would do nothing.
	tty, err := os.OpenFile("/dev/ttyS0", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("open console: %w", err)
	}
	defer tty.Close()
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), "TERM=vt100")
	cmd.Stdout, cmd.Stderr = tty, tty
	switch _, err := os.Stat(guest.ShellScript); {
	case err == nil:
		// Nobody types: what reads standard input must find its end.
		cmd.Args = append(cmd.Args, guest.ShellScript)
	case errors.Is(err, os.ErrNotExist):
		cmd.Stdin = tty
		if _, err := fmt.Fprint(tty, hint); err != nil {
			return fmt.Errorf("write to console: %w", err)
		}
	default:
		return fmt.Errorf("find the shell's script: %w", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run shell: %w", err)
	}
	// The end of a session hangs its terminal up: what is open writes no more.
	port, err := openSerial("/dev/ttyS0")
	if err != nil {
		return err
	}
	defer unix.Close(port.fd)
	if _, err := fmt.Fprintf(port, "\r\n%s%d\r\n", guest.ShellEnded, status(cmd.ProcessState)); err != nil {
		return fmt.Errorf("write to console: %w", err)
	}
	port.drain() // the machine goes off next
	return nil
}

// status is what a shell calls a program's end.
func status(p *os.ProcessState) int {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return p.ExitCode()
}

func findShell() (string, error) {
	for _, path := range []string{"/bin/gosh", "/bbin/gosh", "/bin/sh"} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find a shell: %w", err)
		}
	}
	return "", errors.New("find a shell: the initramfs has none")
}
