// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// VECgroup makes OpenVZ's VEs through the `ve` cgroup, as on vz7 to vz9. The steps and their
// order are those of OpenVZ's libvzctl (lib/env_nsops.c, do_env_create and real_ns_env_create);
// vzkernel's kernel/ve/ve.c has what the kernel demands. It uses only the `ve` hierarchy, and the
// root stays the host's.
//
// It runs on 3.10.0-229.7.2 (ovz.6.8) of the vz7 line. Later kernels demand more, above all
// ve.pseudosuper: of that only the order was tried, on plain files.
type VECgroup struct {
	User bool // a user namespace too, as newer versions of libvzctl make it
}

// Name is "ve-cgroup" or "ve-userns".
func (b VECgroup) Name() string {
	if b.User {
		return "ve-userns"
	}
	return "ve-cgroup"
}

// Available looks for the mounted hierarchy.
func (b VECgroup) Available() error {
	if _, err := findVEHierarchy("/proc/self/mounts"); err != nil {
		return fmt.Errorf("make %s container: %w", b.Name(), err)
	}
	return nil
}

// veNamespaces are libvzctl's, except for the user namespace. Kernels before 4.6 ignore
// CLONE_NEWCGROUP.
const veNamespaces = unix.CLONE_NEWUTS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP

// Start makes a VE and runs s in it, below a process 1 that ends with it.
func (b VECgroup) Start(ctx context.Context, s Spec) (Container, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("make %s container: %w", b.Name(), context.Cause(ctx))
	}
	hierarchy, err := findVEHierarchy("/proc/self/mounts")
	if err == nil {
		var c *veCgroup
		if c, err = b.start(s, hierarchy, veNamespaces); err == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("make %s container: %w", b.Name(), err)
}

func (b VECgroup) start(s Spec, hierarchy string, namespaces uintptr) (*veCgroup, error) {
	first, last := firstVE, lastVE
	if s.ID != 0 {
		first, last = s.ID, s.ID
	}
	for id := first; id <= last; id++ {
		ve, err := newVEGroup(hierarchy, id)
		if errors.Is(err, unix.EEXIST) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c, err := b.startIn(s, ve, namespaces)
		if err == nil {
			return c, nil
		}
		err = errors.Join(err, ve.remove())
		// A VE whose group has another name may use the number.
		if !errors.Is(err, unix.EEXIST) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("every id from %d to %d is taken", first, last)
}

func (b VECgroup) startIn(s Spec, ve veGroup, namespaces uintptr) (*veCgroup, error) {
	child, err := newChild(s.Args, nil, s.Stderr, s.Files...)
	if err != nil {
		return nil, err
	}
	var opened [3]*os.File
	for i, name := range []string{"cgroup.procs", "ve.state", pseudosuper} {
		opened[i], err = ve.open(name)
		if name == pseudosuper && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer opened[i].Close()
	}
	// The kernel lets one process with one thread in, before its namespaces are made; so they
	// belong to the VE.
	if err := child.write(opened[0], "0"); err != nil {
		return nil, err
	}
	child.clone(namespaces)
	var user *userNamespace
	if b.User {
		if user, err = newUserNamespace(child); err != nil {
			return nil, err
		}
		defer user.Close()
	}
	// Only the VE's own process 1 may start it: ECHILD otherwise.
	err = child.write(opened[1], "START")
	if err == nil && opened[2] != nil {
		err = child.write(opened[2], "0")
	}
	if err != nil {
		return nil, err
	}
	if !s.Init {
		child.clone(0)
	}

	init := 0
	pid, err := child.start(func(stage, pid int) error {
		if stage == 1 {
			init = pid
		}
		return user.forked(stage, pid)
	})
	if err != nil {
		return nil, err
	}
	return &veCgroup{namespaced{id: strconv.Itoa(ve.id), pid: init, gone: reap(pid)}, ve}, nil
}

// veCgroup is a VE made by VECgroup.
type veCgroup struct {
	namespaced
	ve veGroup
}

// Enter runs a program as libvzctl's env_enter does (lib/common.c), but stays in the host's user
// namespace, as in the first releases of vz7.
func (c *veCgroup) Enter(ctx context.Context, args []string) ([]byte, error) {
	procs, err := c.ve.open("cgroup.procs")
	if err != nil {
		return nil, fmt.Errorf("enter VE %s: %w", c.id, err)
	}
	defer procs.Close()
	return c.enter(ctx, []string{"ipc", "net", "pid", "uts", "mnt"}, args, procs)
}

// Kill ends the VE. Only the end of its process 1 stops a VE: ve.state takes no such command.
func (c *veCgroup) Kill() error {
	if err := c.namespaced.Kill(); err != nil {
		return err
	}
	return c.ve.remove()
}
