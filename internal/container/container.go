// SPDX-License-Identifier: Apache-2.0

// Package container makes containers, runs a first process in them, lets host processes enter
// them, and removes them completely. Each backend makes containers in its own way.
package container

import (
	"context"
	"errors"
	"os"
	"time"
)

// Spec is the first process of a container. It must end when its descriptors close, so that
// nothing outlives a killed caller.
type Spec struct {
	Args  []string   // Args[0] is an absolute path as seen inside
	Files []*os.File // descriptors 3, 4, ... inside
	// Stderr receives what the process complains about; nil discards it.
	Stderr *os.File
	// Source is a directory of the host. A VE has it mounted at Target from its start. Namespace
	// containers see all the host's mounts, and mount for themselves.
	Source, Target string
	// ID is the number of a VE; 0 means the next free one. The kernel numbers namespace
	// containers.
	ID int
	// Init makes the program process 1 of a VE of the ve cgroup; else it is a child of one that
	// waits for it. In a namespace container it is process 1 anyway, in a VE by ioctl never.
	Init bool
	// Bare makes a namespace container of less: a pid namespace alone; with a user namespace, that and a
	// mount namespace alone, as a sandbox has it. A VE has no such choice.
	Bare bool
	// Programs are files of the host. A VE with its own root has them at the same path.
	Programs []string
}

// Container is a running container.
type Container interface {
	// ID is the container's name in the kernel's message.
	ID() string
	// PID is the first process as the host numbers it.
	PID() int
	// Enter runs a program to its end as a task of the container, with the host's credentials,
	// and returns its standard output.
	Enter(ctx context.Context, args []string) ([]byte, error)
	// EnterMounts runs a program as a task of the host that sees the container's mounts.
	EnterMounts(ctx context.Context, args []string) ([]byte, error)
	// Root is where the host sees the container's root; "" if it is the host's own root.
	Root() string
	// Kill ends every process of the container and returns when they are gone, or after KillLimit
	// with ErrStuck. You may call it more than once.
	Kill() error
}

// Backend makes containers in one of the ways that kernels offer.
type Backend interface {
	Name() string
	// Available returns nil if the running kernel has such containers, or why it has not.
	Available() error
	Start(ctx context.Context, s Spec) (Container, error)
}

// KillLimit is how long a killed container may take to end.
const KillLimit = time.Minute

// ErrStuck means that a process of a killed container does not end. Kill returns it.
var ErrStuck = errors.New("a killed container did not end; one of its processes hangs in the kernel")

// Backends returns all backends, available or not.
func Backends() []Backend {
	return []Backend{VEIoctl{}, VECgroup{}, VECgroup{User: true}, Namespaces{}, Namespaces{User: true}}
}
