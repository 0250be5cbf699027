// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// serial is a serial port that passes bytes as they are.
type serial struct{ fd int }

// openSerial opens a port for writing.
func openSerial(path string) (serial, error) {
	// Without O_NONBLOCK the open would wait for a modem's carrier.
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return serial{}, fmt.Errorf("open %s: %w (give the machine a second serial port)", path, err)
	}
	if err := errors.Join(setRaw(fd), unix.SetNonblock(fd, false)); err != nil {
		unix.Close(fd)
		return serial{}, fmt.Errorf("set up %s: %w", path, err)
	}
	return serial{fd}, nil
}

func setRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = unix.CS8 | unix.CLOCAL | unix.B115200
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

func (s serial) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		m, err := unix.Write(s.fd, p[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// drain waits until everything written has left the port.
func (s serial) drain() {
	// TCSBRK with 1 is tcdrain(3). A port that fails has nothing to drain.
	unix.IoctlSetInt(s.fd, unix.TCSBRK, 1)
}
