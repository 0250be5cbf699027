// SPDX-License-Identifier: Apache-2.0

// Package container makes containers, runs a first process in them, lets host
// processes enter them, and takes them down whole. Each backend makes them another way.
package container

import (
	"context"
	"errors"
	"os"
	"time"
)

// Spec is the first process of a container. It must end when its descriptors do, so
// that nothing outlives a caller that was killed.
type Spec struct {
	Args  []string   // Args[0] is an absolute path as seen inside
	Files []*os.File // descriptors 3, 4, ... inside
	// Stderr receives what the process complains about; nil discards it.
	Stderr *os.File
	// Source is a directory of the host that a VE has mounted at Target from its start.
	// Containers of namespaces see all the host's mounts, and mount themselves.
	Source, Target string
	// ID is the number of a VE, 0 for the next free one; a container of namespaces has the
	// kernel's.
	ID int
	// Programs are files of the host that a VE with a root of its own has at the same path.
	Programs []string
}

// Container is a running container.
type Container interface {
	// ID is what the kernel's message names the container by.
	ID() string
	// PID is the first process as the host numbers it.
	PID() int
	// Enter runs a program to its end as a task of the container, with the host's
	// credentials, and gives its standard output.
	Enter(ctx context.Context, args []string) ([]byte, error)
	// EnterMounts runs it as a task of the host that sees the container's mounts.
	EnterMounts(ctx context.Context, args []string) ([]byte, error)
	// Root is where the host sees the container's root, "" where it is the host's own.
	Root() string
	// Kill ends every process of the container and returns when they are gone, or with
	// ErrStuck after KillLimit. It may be called more than once.
	Kill() error
}

// Backend makes containers in one of the ways a kernel may offer.
type Backend interface {
	Name() string
	// Available returns nil, or why the running kernel has no such containers.
	Available() error
	Start(ctx context.Context, s Spec) (Container, error)
}

// KillLimit is how long a killed container may take to be gone.
const KillLimit = time.Minute

// ErrStuck is what Kill gives when a process of the container does not end.
var ErrStuck = errors.New("a killed container did not end; a process of it hangs in the kernel")

// Backends returns every backend there is, available or not.
func Backends() []Backend {
	return []Backend{VEIoctl{}, VECgroup{}, VECgroup{User: true}, Namespaces{}, Namespaces{User: true}}
}
