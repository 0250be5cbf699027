// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// reap returns a channel that is closed when a process was waited for.
func reap(pid int) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		var status unix.WaitStatus
		wait(pid, &status)
	}()
	return gone
}

// namespaced is a running container of namespaces.
type namespaced struct {
	id   string
	pid  int // of process 1
	once sync.Once
	gone <-chan struct{} // closed when there is no process any more
}

func (c *namespaced) ID() string { return c.id }
func (c *namespaced) PID() int   { return c.pid }

// Root is empty: no container of namespaces changes its root.
func (c *namespaced) Root() string { return "" }

// Kill relies on the kernel: with process 1 of a pid namespace all others die, and it
// is not waited for before they are gone.
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

// PIDNamespace returns the inode number of a process' pid namespace, as lsns shows it.
func PIDNamespace(pid int) (string, error) {
	var st unix.Stat_t
	path := "/proc/" + strconv.Itoa(pid) + "/ns/pid"
	if err := unix.Stat(path, &st); err != nil {
		return "", fmt.Errorf("stat %s: %w", path, err)
	}
	return strconv.FormatUint(st.Ino, 10), nil
}
