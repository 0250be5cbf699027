// SPDX-License-Identifier: GPL-2.0-only

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
The machine goes off when this shell ends.
`

// shell runs a shell on the console until it ends, with a user's Lustre from source, or
// with the probe where that is "".
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
	if _, err := fmt.Fprint(tty, hint); err != nil {
		return fmt.Errorf("write to console: %w", err)
	}
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), "TERM=vt100")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run shell: %w", err)
	}
	return nil
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
