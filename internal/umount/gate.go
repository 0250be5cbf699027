// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// FindGate returns Closed if the kernel refuses every forced umount by root of b's containers, else Open. It asks for
// MNT_EXPIRE|MNT_FORCE on a bind mount of a tmpfs, which every kernel refuses. A closed gate answers EPERM, before the
// flags are checked. So nothing is forced, and no port acts on a tmpfs.
func FindGate(ctx context.Context, b Backend, self, dir string) (gate Gate, err error) {
	host, path := dir+"/gate-host", dir+"/gate"
	for _, d := range []string{host, path} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return 0, fmt.Errorf("look for the gate: %w", err)
		}
		defer func() { err = errors.Join(err, os.Remove(d)) }()
	}
	if err := unix.Mount("none", host, "tmpfs", 0, ""); err != nil {
		return 0, fmt.Errorf("look for the gate: mount tmpfs: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(host, unix.MNT_DETACH)) }()
	c, err := connect(ctx, b, Start{Args: []string{self, AgentWord}, Source: host, Target: path})
	if err != nil {
		return 0, fmt.Errorf("look for the gate: %w", err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.call(ctx, request{Op: "bind", Source: host, Path: path}); err != nil {
		return 0, fmt.Errorf("look for the gate: %w", err)
	}
	r, err := c.call(ctx, request{Op: "umount", Path: path, Flags: unix.MNT_EXPIRE | unix.MNT_FORCE, Times: 1})
	if err != nil {
		return 0, fmt.Errorf("look for the gate: %w", err)
	}
	switch r.Errno {
	case "EPERM":
		return Closed, nil
	case "EINVAL":
		return Open, nil
	}
	return 0, fmt.Errorf("look for the gate: MNT_EXPIRE|MNT_FORCE is answered %s", r.Errno)
}
