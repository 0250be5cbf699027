// SPDX-License-Identifier: GPL-2.0-only

package container

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Namespaces makes containers of mainline's namespaces: pid, mount, uts and ipc.
type Namespaces struct {
	User bool // a user namespace too
}

// mappedIDs is how many user and group ids a container with a user namespace has.
const mappedIDs = 65536

// Name is "namespaces" or "userns".
func (n Namespaces) Name() string {
	if n.User {
		return "userns"
	}
	return "namespaces"
}

// Available looks for the namespaces in /proc.
func (n Namespaces) Available() error {
	kinds := []string{"pid", "mnt", "uts", "ipc"}
	if n.User {
		kinds = append(kinds, "user")
	}
	for _, kind := range kinds {
		if _, err := os.Stat("/proc/self/ns/" + kind); err != nil {
			return fmt.Errorf("make %s container: the kernel has no %s namespaces: %w", n.Name(), kind, err)
		}
	}
	return nil
}

// Start makes a container and runs s in it as process 1.
func (n Namespaces) Start(ctx context.Context, s Spec) (Container, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("make %s container: %w", n.Name(), context.Cause(ctx))
	}
	cmd := exec.Command(s.Args[0], s.Args[1:]...)
	cmd.ExtraFiles = s.Files
	if s.Stderr != nil {
		cmd.Stderr = s.Stderr
	}
	cmd.SysProcAttr = n.attributes()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("make %s container: %w", n.Name(), err)
	}
	c := &namespaced{cmd: cmd, gone: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(c.gone)
	}()
	id, err := PIDNamespace(cmd.Process.Pid)
	if err != nil {
		c.Kill()
		return nil, fmt.Errorf("make %s container: %w", n.Name(), err)
	}
	c.id = id
	return c, nil
}

func (n Namespaces) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	if n.User {
		a.Cloneflags |= unix.CLONE_NEWUSER
		ids := []syscall.SysProcIDMap{{Size: mappedIDs}}
		a.UidMappings, a.GidMappings = ids, ids
		a.GidMappingsEnableSetgroups = true
	}
	return a
}

// PIDNamespace gives the inode number of a process' pid namespace, as lsns shows it.
func PIDNamespace(pid int) (string, error) {
	var st unix.Stat_t
	path := "/proc/" + strconv.Itoa(pid) + "/ns/pid"
	if err := unix.Stat(path, &st); err != nil {
		return "", fmt.Errorf("stat %s: %w", path, err)
	}
	return strconv.FormatUint(st.Ino, 10), nil
}

// namespaced is a container made by Namespaces.
type namespaced struct {
	cmd  *exec.Cmd
	id   string
	once sync.Once
	gone chan struct{} // closed when the first process was waited for
}

func (c *namespaced) ID() string { return c.id }
func (c *namespaced) PID() int   { return c.cmd.Process.Pid }

// Root is empty: no container of namespaces changes its root.
func (c *namespaced) Root() string { return "" }

// Kill relies on the kernel: with process 1 of a pid namespace all others die, and it
// is not waited for before they are gone.
func (c *namespaced) Kill() error {
	c.once.Do(func() { c.cmd.Process.Kill() })
	limit := time.NewTimer(KillLimit)
	defer limit.Stop()
	select {
	case <-c.gone:
		return nil
	case <-limit.C:
		return fmt.Errorf("kill container %s, process %d: %w", c.id, c.PID(), ErrStuck)
	}
}
