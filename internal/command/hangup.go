// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hangupDelay is how long a program may take to end after its terminal hung up.
const hangupDelay = time.Minute

// terminal is a pseudo terminal that becomes a program's controlling terminal. When the master
// closes, also because this process ends, the kernel sends SIGHUP. Unlike kill(2), that works
// whoever the program runs as.
type terminal struct{ master, slave *os.File }

func openTerminal() (*terminal, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	fail := func(err error) (*terminal, error) {
		master.Close()
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return fail(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return fail(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fail(err)
	}
	return &terminal{master, slave}, nil
}

// attr makes the program lead a session on the terminal, which is its descriptor fd.
func (t *terminal) attr(fd int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: fd, Pdeathsig: syscall.SIGKILL}
}
