// SPDX-License-Identifier: GPL-2.0-only

package container

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Enter does not join a user namespace: the kernel lets only a process with one thread
// do so, and the process is to be the host administrator's anyhow.
func (c *namespaced) Enter(ctx context.Context, args []string) ([]byte, error) {
	// The mount namespace comes last: after it /proc is the container's.
	return c.enter(ctx, []string{"pid", "uts", "ipc", "mnt"}, args)
}

func (c *namespaced) EnterMounts(ctx context.Context, args []string) ([]byte, error) {
	return c.enter(ctx, []string{"mnt"}, args)
}

func (c *namespaced) enter(ctx context.Context, kinds, args []string) ([]byte, error) {
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		// Never unlocked: the thread is of no use to anybody else and ends here. The main
		// thread must not be taken, for /proc/self shows its namespaces; main locks it.
		runtime.LockOSThread()
		out, err := c.run(ctx, kinds, args)
		done <- result{out, err}
	}()
	r := <-done
	if r.err != nil {
		return r.out, fmt.Errorf("enter container %s: %w", c.id, r.err)
	}
	return r.out, nil
}

// run changes the calling thread's namespaces for good.
func (c *namespaced) run(ctx context.Context, kinds, args []string) ([]byte, error) {
	// A thread that shares its working directory with others may not change mounts.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return nil, fmt.Errorf("unshare working directory: %w", err)
	}
	for _, kind := range kinds {
		f, err := os.Open("/proc/" + strconv.Itoa(c.PID()) + "/ns/" + kind)
		if err != nil {
			return nil, err
		}
		err = unix.Setns(int(f.Fd()), 0)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("setns %s: %w", kind, err)
		}
	}
	return exec.CommandContext(ctx, args[0], args[1:]...).Output()
}
