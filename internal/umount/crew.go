// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"

	"ovzpatch/internal/guest"
)

// crew holds the containers of one backend that cases share.
type crew struct {
	backend string
	conns   [2]*conn
}

// The roles in a crew.
const (
	mainRole = iota // acts
	peerRole        // looks on, and acts in some cases
)

// dismiss ends all containers.
func (c *crew) dismiss() error {
	var errs []error
	for i, conn := range c.conns {
		if conn != nil {
			errs = append(errs, conn.close())
			c.conns[i] = nil
		}
	}
	return errors.Join(errs...)
}

// shared returns the backend's container for a role. It first ends those of another backend.
func (r *Runner) shared(ctx context.Context, b Backend, role int) (*conn, error) {
	if r.crew.backend != b.Name {
		if err := r.crew.dismiss(); err != nil {
			return nil, err
		}
		r.crew.backend = b.Name
	}
	if r.crew.conns[role] == nil {
		// Any case may use it, with any program.
		c, err := r.connect(ctx, b, Case{Compat: true, Command: true})
		if err != nil {
			return nil, err
		}
		r.crew.conns[role] = c
	}
	return r.crew.conns[role], nil
}

// connect starts a container that receives the host's mounts in Dir.
func (r *Runner) connect(ctx context.Context, b Backend, c Case) (*conn, error) {
	start := Start{Args: []string{r.Self, AgentWord}, ID: c.ID, Init: c.Init, Bare: c.Bare}
	if c.Compat && r.Compat {
		start.Programs = append(start.Programs, guest.CompatProgram)
	}
	if c.Command {
		start.Programs = append(start.Programs, findCommand())
	}
	joined, err := connect(ctx, b, start)
	// A bare container without a mount namespace has the host's mounts themselves.
	if err != nil || joined.Root() != "" || c.Bare && b.Gate == Open {
		return joined, err
	}
	if _, err := joined.call(ctx, request{Op: "slave", Path: r.Dir}); err != nil {
		return nil, errors.Join(err, joined.close())
	}
	return joined, nil
}
