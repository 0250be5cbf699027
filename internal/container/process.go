// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// reap waits for a process and then closes the channel that it returns.
func reap(pid int) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		var status unix.WaitStatus
		wait(pid, &status)
	}()
	return gone
}

// namespaced is a running namespace container.
type namespaced struct {
	id   string
	pid  int // of process 1
	once sync.Once
	gone <-chan struct{} // closed when no process is left
}

func (c *namespaced) ID() string { return c.id }
func (c *namespaced) PID() int   { return c.pid }

// Root is empty: namespace containers do not change their root.
func (c *namespaced) Root() string { return "" }

// Kill relies on the kernel: when process 1 of a pid namespace dies, all others die too, and
// nobody can reap it before they are gone.
func (c *namespaced) Kill() error {
	c.once.Do(func() { unix.Kill(c.pid, unix.SIGKILL) })
	limit := time.NewTimer(KillLimit)
	defer limit.Stop()
	select {
	case <-c.gone:
		return nil
	case <-limit.C:
		return fmt.Errorf("kill container %s, process %d: %w", c.id, c.pid, ErrStuck)
	}
}

// PIDNamespace returns the inode number of a process's pid namespace, as lsns shows it.
func PIDNamespace(pid int) (string, error) {
	var st unix.Stat_t
	path := "/proc/" + strconv.Itoa(pid) + "/ns/pid"
	if err := unix.Stat(path, &st); err != nil {
		return "", fmt.Errorf("stat %s: %w", path, err)
	}
	return strconv.FormatUint(st.Ino, 10), nil
}
