// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// shellMount is where the shell finds a filesystem of the probe.
const shellMount = "/mnt/lustre"

const shellHint = `
The probe is mounted at ` + shellMount + `. Try:
  umount -f ` + shellMount + `
  /init list
  /init run --cases=force-idle
  dmesg
The machine goes off when this shell ends.
`

// shell runs a shell on the console until it ends.
func shell() error {
	if err := os.MkdirAll(shellMount, 0o755); err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	if err := unix.Mount("none", shellMount, "lustre", 0, ""); err != nil {
		fmt.Fprintf(os.Stderr, "umounttest: mount lustre: %v (is the probe in the list of modules?)\n", err)
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
	if _, err := fmt.Fprint(tty, shellHint); err != nil {
		return fmt.Errorf("write to console: %w", err)
	}
	cmd := exec.Command(path)
	cmd.Env = []string{"PATH=/bin:/bbin:/usr/bin:/sbin", "HOME=/", "TERM=vt100"}
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
