// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
)

// scene is what one case is tried on: a new superblock, which the host has mounted at host. The container has it at
// path; in a case without a container, the host does.
type scene struct {
	self  string // this program
	dir   string
	host  string // the same path in containers, which see the host's mount there
	path  string
	other string // for a mount in between
	c     Case

	container *conn    // nil without a container, and after leave
	peer      *conn    // a second container with the same superblock
	held      *holding // on the host, in a case without a container
	id        string   // of the containers whose processes acted
	ve        bool     // the container is a VE
	own       int      // override messages in the container's own log
	slower    int64    // milliseconds that each call took longer
	waited    int64    // milliseconds that another container's umounts took
	grown     int      // KiB that the kernel kept
	kept      string   // objects of the kernel
	changed   string   // of the caller
}

// stage sets the scene for c. The caller must strike it, also after an error.
func (r *Runner) stage(ctx context.Context, c Case, b Backend, dir string) (*scene, error) {
	s := &scene{self: r.Self, dir: dir, host: dir + "/host", path: dir + "/mount", other: dir + "/other", c: c, ve: b.VE}
	if err := s.makePlaces(""); err != nil {
		return s, err
	}
	if b.Gate != Host {
		if err := r.cast(ctx, s, b); err != nil {
			return s, err
		}
	}
	if err := r.Filesystem.Mount(ctx, c.Type, s.host); err != nil {
		return s, err
	}
	if b.Gate == Host {
		return s, s.stageHost(c)
	}
	if c.Fresh {
		var err error
		if s.container, err = r.connect(ctx, b, c); err != nil {
			return s, err
		}
	}
	s.id = s.container.ID()
	if err := s.show(s.peer); err != nil {
		return s, err
	}
	if err := s.mountIn(ctx, s.container, c); err != nil {
		return s, err
	}
	if c.Both {
		if err := s.mountInPeer(ctx); err != nil {
			return s, err
		}
	}
	if c.Hold {
		_, err := s.container.call(ctx, request{Op: "hold", Path: s.path})
		return s, err
	}
	return s, nil
}

// makePlaces makes the scene's mount points below a root.
func (s *scene) makePlaces(root string) error {
	dirs := []string{s.host, s.other, s.path}
	if s.c.origin == "file" {
		dirs = dirs[:2]
	}
	for _, d := range dirs {
		if err := os.MkdirAll(root+d, 0o755); err != nil {
			return fmt.Errorf("make mount point: %w", err)
		}
	}
	if s.c.origin == "file" {
		if err := os.WriteFile(root+s.path, nil, 0o644); err != nil {
			return fmt.Errorf("make mount point: %w", err)
		}
	}
	return nil
}

// cast puts containers on the scene: those that cases share, or one of the case's own.
func (r *Runner) cast(ctx context.Context, s *scene, b Backend) (err error) {
	if s.peer, err = r.shared(ctx, b, peerRole); err != nil {
		return err
	}
	switch {
	case s.c.Fresh:
	case s.c.own():
		s.container, err = r.connect(ctx, b, s.c)
	default:
		s.container, err = r.shared(ctx, b, mainRole)
	}
	return err
}

func (s *scene) stageHost(c Case) error {
	if err := bind(s.host+"/"+dirName, s.path); err != nil || !c.Hold {
		return err
	}
	var err error
	s.held, err = hold(s.path)
	return err
}

// root returns the path of the container's root on the host.
func (s *scene) root() string { return s.container.Root() }

// show makes the host's mount visible in a container with its own root. To others it propagates.
func (s *scene) show(c *conn) error {
	if c.Root() == "" {
		return nil
	}
	if err := s.makePlaces(c.Root()); err != nil {
		return err
	}
	return bind(s.host, c.Root()+s.host)
}

// mountIn makes the mount under test in a container. For a VE with its own root the host binds a directory of the
// filesystem into it. Otherwise, and for other origins, the container mounts it.
func (s *scene) mountIn(ctx context.Context, c *conn, how Case) error {
	if c.Root() != "" && how.origin == "" {
		if err := s.makePlaces(c.Root()); err != nil {
			return err
		}
		if !how.Ends && c != s.peer {
			if err := s.show(c); err != nil {
				return err
			}
		}
		return bind(s.host+"/"+dirName, c.Root()+s.path)
	}
	if c != s.peer {
		if err := s.show(c); err != nil {
			return err
		}
	}
	q := request{Op: "make", Origin: how.origin, Source: s.host, Other: s.other, Path: s.path}
	if how.Ends {
		q.Flags = letGo
	}
	_, err := c.call(ctx, q)
	return err
}

// mountInPeer makes a busy mount in the second container.
func (s *scene) mountInPeer(ctx context.Context) error {
	if err := s.mountIn(ctx, s.peer, Case{}); err != nil {
		return err
	}
	_, err := s.peer.call(ctx, request{Op: "hold", Path: s.path})
	return err
}

// ask sends the container a request and returns the errno.
func (s *scene) ask(ctx context.Context, q request) (string, error) {
	r, err := s.container.call(ctx, q)
	return r.Errno, err
}

// look fills in what the host and the containers see of the filesystem after the act.
func (s *scene) look(ctx context.Context, seen *guest.Seen) error {
	seen.Want, seen.Slower, seen.Waited = s.id, s.slower, s.waited
	seen.Grown, seen.Kept, seen.Changed = s.grown, s.kept, s.changed
	seen.Host = errnoName(use(s.host))
	if s.peer != nil {
		r, err := s.peer.call(ctx, request{Op: "read", Path: s.host})
		if err != nil {
			return err
		}
		seen.Peer = r.Errno
	}
	if s.held != nil {
		seen.Held = errnoName(s.held.use())
	}
	if s.container == nil {
		paths, err := mountPaths()
		for _, p := range paths {
			seen.Mounted = seen.Mounted || p == s.path
		}
		seen.Own = s.own
		return err
	}
	r, err := s.container.call(ctx, request{Op: "look", Path: s.path, OwnLog: s.ve})
	seen.Held, seen.Mounted, seen.Own = r.Errno+seen.Held, r.Mounted, s.own+r.Messages
	return err
}

// strike removes everything again. Something that is missing is no error.
func (s *scene) strike() error {
	var errs []error
	roots := []string{""}
	for _, c := range []*conn{s.container, s.peer} {
		if c == nil {
			continue
		}
		if c.Root() != "" {
			roots = append(roots, c.Root())
		}
		if c == s.container && s.c.own() {
			errs = append(errs, c.close())
			continue
		}
		// It only has what propagated from the host, which goes when the host's goes.
		if c == s.peer && c.Root() == "" && !s.c.Both {
			continue
		}
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, errors.New("not done within a minute"))
		_, err := c.call(ctx, request{Op: "release", Path: s.dir})
		cancel()
		errs = append(errs, err)
	}
	errs = append(errs, s.held.close())
	for _, root := range roots {
		for _, p := range []string{s.path, s.other, s.host} {
			if err := unix.Unmount(root+p, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
				errs = append(errs, fmt.Errorf("detach %s: %w", root+p, err))
			}
		}
		// Not RemoveAll, which would delete inside a mount that stayed.
		for _, p := range []string{s.path, s.other, s.host, s.dir} {
			err := os.Remove(root + p)
			// Before 3.18 a directory that is a mount point in any namespace cannot be removed. All of it
			// goes with the filesystem below.
			kept := errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY)
			if err != nil && !kept && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
