// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Enter does not join a user namespace: the process must stay the host administrator's.
func (c *namespaced) Enter(ctx context.Context, args []string) ([]byte, error) {
	return c.enter(ctx, []string{"ipc", "pid", "uts", "mnt"}, args)
}

func (c *namespaced) EnterMounts(ctx context.Context, args []string) ([]byte, error) {
	return c.enter(ctx, []string{"mnt"}, args)
}

// enter runs args in the container's namespaces of these kinds. If attach names a file, the list
// of a VE's processes, the process writes its number there first.
func (c *namespaced) enter(ctx context.Context, kinds, args []string, attach ...*os.File) ([]byte, error) {
	var namespaces []*os.File
	for _, kind := range kinds {
		f, err := os.Open("/proc/" + strconv.Itoa(c.pid) + "/ns/" + kind)
		if err != nil {
			return nil, fmt.Errorf("enter container %s: %w", c.id, err)
		}
		defer f.Close()
		namespaces = append(namespaces, f)
	}
	out, err := output(ctx, args, func(child *child) error {
		for _, procs := range attach {
			if err := child.write(procs, "0"); err != nil {
				return err
			}
		}
		for _, f := range namespaces {
			fd, err := child.descriptor(f)
			if err != nil {
				return err
			}
			child.last(call{what: "setns " + f.Name(), nr: unix.SYS_SETNS, args: [5]uintptr{fd}})
		}
		// Only children enter a pid namespace.
		child.clone(0)
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("enter container %s: %w", c.id, err)
	}
	return out, nil
}
