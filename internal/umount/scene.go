// SPDX-License-Identifier: GPL-2.0-only

package umount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
)

// scene is what one case is tried on: a superblock of its own, which the host has
// mounted at host and the container, or in a case without one the host, at path.
type scene struct {
	self string // this program
	dir  string
	host string
	path string

	container *conn // nil without a container, and once it is gone
	peer      *conn
	held      *os.File // on the host, without a container
	id        string   // container of the process that acted
	leaks     bool     // the kernel may keep a container's mounts for ever
	ve        bool     // the container is a VE
	own       int      // override messages in the container's own log
}

// stage sets the scene for c; the caller must strike it also after an error.
func (r *Runner) stage(ctx context.Context, c Case, b Backend, dir string) (*scene, error) {
	s := &scene{self: r.Self, dir: dir, host: dir + "/host", path: dir + "/mount", leaks: b.Gate == VE, ve: b.VE}
	for _, d := range []string{s.host, s.path} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return s, fmt.Errorf("make mount point: %w", err)
		}
	}
	if err := r.Filesystem.Mount(ctx, c.Type, s.host); err != nil {
		return s, err
	}
	if b.Gate == Host {
		return s, s.stageHost(c)
	}
	var err error
	if s.container, err = s.join(ctx, c, b); err != nil {
		return s, err
	}
	s.id = s.container.ID()
	if c.Peer {
		if s.peer, err = s.join(ctx, c, b); err != nil {
			return s, err
		}
	}
	if c.Hold {
		_, err = s.container.call(ctx, request{Op: "hold", Path: s.path + "/" + dataFile})
	}
	return s, err
}

func (s *scene) stageHost(c Case) error {
	if err := unix.Mount(s.host, s.path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", s.host, s.path, err)
	}
	if !c.Hold {
		return nil
	}
	var err error
	s.held, err = os.Open(s.path + "/" + dataFile)
	return err
}

// join starts a container that has the superblock mounted by a bind of its own, or, as
// a VE has it, of the host's.
func (s *scene) join(ctx context.Context, c Case, b Backend) (*conn, error) {
	start := Start{Args: []string{s.self, AgentWord}, Source: s.host, Target: s.path}
	if c.Compat {
		start.Programs = []string{guest.CompatProgram}
	}
	if c.Command {
		start.Programs = []string{findCommand()}
	}
	joined, err := connect(ctx, b, start)
	if err != nil || b.Gate == VE {
		return joined, err
	}
	if _, err := joined.call(ctx, request{Op: "bind", Source: s.host, Path: s.path}); err != nil {
		return nil, errors.Join(err, joined.close())
	}
	return joined, nil
}

// readOwnLog counts the messages in the container's own log, while it can be asked.
func (s *scene) readOwnLog(ctx context.Context) error {
	if !s.ve || s.container == nil {
		return nil
	}
	r, err := s.container.call(ctx, request{Op: "own-log"})
	s.own = r.Messages
	return err
}

// look fills in what everybody sees of the filesystem after the act.
func (s *scene) look(ctx context.Context, c Case, seen *guest.Seen) error {
	seen.Want = s.id
	seen.Host = errnoName(use(s.host))
	if err := s.readOwnLog(ctx); err != nil {
		return err
	}
	seen.Own = s.own
	if s.peer != nil {
		r, err := s.peer.call(ctx, request{Op: "read", Path: s.path})
		if err != nil {
			return err
		}
		seen.Peer = r.Errno
	}
	if s.held != nil {
		_, err := s.held.ReadAt(make([]byte, 1), 0)
		seen.Held = errnoName(err)
	}
	if s.container == nil {
		paths, err := mountPaths()
		for _, p := range paths {
			seen.Mounted = seen.Mounted || p == s.path
		}
		return err
	}
	if c.Hold {
		r, err := s.container.call(ctx, request{Op: "held"})
		if err != nil {
			return err
		}
		seen.Held = r.Errno
	}
	r, err := s.container.call(ctx, request{Op: "mounted", Path: s.path})
	seen.Mounted = r.Mounted
	return err
}

// strike takes everything down again. What is not there is no error.
func (s *scene) strike() error {
	var errs []error
	for _, c := range []*conn{s.container, s.peer} {
		if c != nil {
			errs = append(errs, c.close())
		}
	}
	if s.held != nil {
		errs = append(errs, s.held.Close())
	}
	for _, p := range []string{s.path, s.host} {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("detach %s: %w", p, err))
		}
	}
	// Not RemoveAll: it would walk into a mount that stayed.
	for _, p := range []string{s.path, s.host, filepath.Join(s.dir, linkName), s.dir} {
		err := os.Remove(p)
		// What is a mount point anywhere cannot be removed before 3.18.
		kept := s.leaks && (errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY))
		if err != nil && !kept && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
