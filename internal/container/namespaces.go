// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Namespaces makes containers from mainline's namespaces: pid, mount, uts and ipc.
type Namespaces struct {
	User bool // a user namespace too
}

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
	c, err := n.start(s)
	if err != nil {
		return nil, fmt.Errorf("make %s container: %w", n.Name(), err)
	}
	return c, nil
}

// flags are those of the clone, but for the user namespace.
func (n Namespaces) flags(bare bool) uintptr {
	switch {
	case bare && n.User:
		return unix.CLONE_NEWNS
	case bare:
		return unix.CLONE_NEWPID
	}
	return unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
}

func (n Namespaces) start(s Spec) (*namespaced, error) {
	child, err := newChild(s.Args, nil, s.Stderr, s.Files...)
	if err != nil {
		return nil, err
	}
	child.stages[0].flags |= n.flags(s.Bare)
	var user *userNamespace
	if n.User {
		if user, err = newUserNamespace(child); err != nil {
			return nil, err
		}
		defer user.Close()
	}
	pid, err := child.start(user.forked)
	if err != nil {
		return nil, err
	}
	c := &namespaced{pid: pid, gone: reap(pid)}
	if c.id, err = PIDNamespace(pid); err != nil {
		c.Kill()
		return nil, err
	}
	return c, nil
}
