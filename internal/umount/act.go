// SPDX-License-Identifier: GPL-2.0-only

package umount

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// act is how a case acts on its scene. It gives the umount's errno, "0" where the act
// is none that has one.
type act = func(context.Context, *scene) (errno string, err error)

func umount(flags int) act { return umountTimes(1, flags) }

// umountTimes gives the last errno.
func umountTimes(times, flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "umount", Path: s.path, Flags: flags, Times: times})
		return r.Errno, err
	}
}

func umountBelow(name string, flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "umount", Path: s.path + "/" + name, Flags: flags, Times: 1})
		return r.Errno, err
	}
}

const linkName = "link"

func umountSymlink(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		link := s.dir + "/" + linkName
		if err := os.Symlink(s.path, link); err != nil {
			return "", fmt.Errorf("link to the mount: %w", err)
		}
		r, err := s.container.call(ctx, request{Op: "umount", Path: link, Flags: flags, Times: 1})
		return r.Errno, err
	}
}

func umountAs(uid, flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "umount-as", Path: s.path, Flags: flags, UID: uid})
		return r.Errno, err
	}
}

func umountWithoutAdmin(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "without-admin", Path: s.path, Flags: flags})
		return r.Errno, err
	}
}

func umountCompat(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "compat", Path: s.path, Flags: flags})
		return r.Errno, err
	}
}

func umountUnshared(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "unshare", Path: s.path, Flags: flags})
		return r.Errno, err
	}
}

func umountNested(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		r, err := s.container.call(ctx, request{Op: "nested", Path: s.path, Flags: flags})
		if !s.ve {
			s.id = r.ID
		}
		return r.Errno, err
	}
}

func commandUmount(ctx context.Context, s *scene) (string, error) {
	r, err := s.container.call(ctx, request{Op: "command", Path: s.path})
	return r.Errno, err
}

func umountEntered(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return once(s.container.Enter(ctx, []string{s.self, UmountWord, strconv.Itoa(flags), s.path}))
	}
}

func umountContainerMounts(flags int) act {
	return func(ctx context.Context, s *scene) (string, error) {
		return once(s.container.EnterMounts(ctx, []string{s.self, UmountWord, strconv.Itoa(flags), s.path}))
	}
}

func once(out []byte, err error) (string, error) {
	if err != nil {
		return "", err
	}
	r, err := parseOnce(out)
	return r.Errno, err
}

func umountProcRoot(flags int) act {
	return func(_ context.Context, s *scene) (string, error) {
		return errnoName(unix.Unmount("/proc/"+strconv.Itoa(s.container.PID())+"/root"+s.path, flags)), nil
	}
}

// umountBindPath acts on the host's mount that the container's is a copy of.
func umountBindPath(flags int) act {
	return func(_ context.Context, s *scene) (string, error) {
		return errnoName(unix.Unmount(s.container.Root()+s.path, flags)), nil
	}
}

func umountHost(flags int) act {
	return func(_ context.Context, s *scene) (string, error) {
		return errnoName(unix.Unmount(s.path, flags)), nil
	}
}

// shutdown is what a distribution's scripts do when a container is stopped.
func shutdown(ctx context.Context, s *scene) (string, error) {
	r, err := s.container.call(ctx, request{Op: "sweep", Path: s.path})
	if err != nil {
		return "", err
	}
	if err := s.readOwnLog(ctx); err != nil {
		return "", err
	}
	err = s.container.finish(ctx)
	return r.Errno, s.leave(err)
}

func kill(_ context.Context, s *scene) (string, error) {
	return "0", s.leave(nil)
}

// leave takes the container off the scene for good.
func (s *scene) leave(err error) error {
	if err == nil {
		err = s.container.close()
		s.container = nil
	}
	return err
}
