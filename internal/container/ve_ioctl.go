// SPDX-License-Identifier: Apache-2.0

package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// VEIoctl makes OpenVZ's VEs through /dev/vzctl, as on 2.6.18 and 2.6.32.
type VEIoctl struct{}

// firstVE is the id of the first VE; the next one gets the next id.
const (
	firstVE = 999
	lastVE  = 1099
)

// Name is "ve".
func (VEIoctl) Name() string { return "ve" }

// Available asks /dev/vzctl for a VE. vz7 answers too, but its own tools make VEs through the
// `ve` cgroup, and what is left of the ioctl needs more preparation.
func (VEIoctl) Available() error {
	if _, err := findVEHierarchy("/proc/self/mounts"); err == nil {
		return errors.New("make ve container: this kernel makes VEs through the ve cgroup")
	}
	if _, err := veRuns(firstVE); err != nil {
		return fmt.Errorf("make ve container: %w (this needs an OpenVZ kernel of 2.6.18 or 2.6.32)", err)
	}
	return nil
}

func openVzctl() (*os.File, error) {
	f, err := os.OpenFile("/dev/vzctl", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || unix.Major(uint64(st.Rdev)) != vzctlMajor {
		f.Close()
		return nil, errors.Join(errors.New("/dev/vzctl is another device"), err)
	}
	return f, nil
}

// veRuns reports whether a VE with this id runs.
func veRuns(id uint32) (bool, error) {
	f, err := openVzctl()
	if err != nil {
		return false, err
	}
	defer f.Close()
	w := word(unsafe.Sizeof(uintptr(0)))
	params := new(createParams)
	data := w.createData(id, veTest, uintptr(unsafe.Pointer(params)), int32(len(params)))
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), w.createRequest(), uintptr(unsafe.Pointer(&data[0])))
	runtime.KeepAlive(params)
	switch errno {
	case 0:
		return true, nil
	case unix.ESRCH:
		return false, nil
	}
	return false, fmt.Errorf("ask /dev/vzctl for VE %d: %w", id, errno)
}

// Start makes a VE and runs s in it, below a process 1 that ends with it.
func (b VEIoctl) Start(ctx context.Context, s Spec) (Container, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("make ve container: %w", context.Cause(ctx))
	}
	root, err := newVERoot(s)
	if err != nil {
		return nil, fmt.Errorf("make ve container: %w", err)
	}
	c, err := b.start(s, root)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make ve container: %w", err), root.remove())
	}
	return c, nil
}

func (VEIoctl) start(s Spec, root veRoot) (*ve, error) {
	vzctl, err := openVzctl()
	if err != nil {
		return nil, err
	}
	defer vzctl.Close()
	first, last := uint32(firstVE), uint32(lastVE)
	if s.ID != 0 {
		first, last = uint32(s.ID), uint32(s.ID)
	}
	for id := first; id <= last; id++ {
		child, err := newChild(s.Args, nil, s.Stderr, s.Files...)
		if err == nil {
			err = enterVE(child, vzctl, root.dir, id, veCreate|veExclusive)
		}
		if err != nil {
			return nil, err
		}
		child.clone(0)
		pid, err := child.start(func(int, int) error { return nil })
		if errors.Is(err, unix.EACCES) {
			continue // the id is taken
		}
		if err != nil {
			return nil, err
		}
		return &ve{id: id, pid: pid, root: root, gone: reap(pid)}, nil
	}
	return nil, fmt.Errorf("every id from %d to %d is taken", first, last)
}

// enterVE adds the calls that make VE id, or enter it.
func enterVE(c *child, vzctl *os.File, root string, id, flags uint32) error {
	fd, err := c.descriptor(vzctl)
	if err != nil {
		return err
	}
	w := word(unsafe.Sizeof(uintptr(0)))
	params := new(createParams)
	data := w.createData(id, flags, uintptr(unsafe.Pointer(params)), int32(len(params)))
	c.keep = append(c.keep, params, data)
	c.last(
		call{what: "make session", nr: unix.SYS_SETSID},
		// Only on 2.6.18 a process must choose its user beancounter first.
		call{what: "set login user id", nr: sysSetluid, args: [5]uintptr{uintptr(id)}, may: unix.ENOSYS},
	)
	if flags&veCreate != 0 {
		// The kernel makes no mount namespace: the VE's umounts would act on the host's mounts.
		c.last(
			call{what: "unshare mount namespace", nr: unix.SYS_UNSHARE, args: [5]uintptr{unix.CLONE_NEWNS}},
			call{what: "make the root a slave of the host's", nr: unix.SYS_MOUNT, args: [5]uintptr{c.text("none"), c.text(root), c.text("none"), unix.MS_SLAVE, 0}},
		)
	}
	c.last(
		call{what: "change root to " + root, nr: unix.SYS_CHROOT, args: [5]uintptr{c.text(root)}},
		call{what: "change directory to the root", nr: unix.SYS_CHDIR, args: [5]uintptr{c.text("/")}},
		call{what: "ask /dev/vzctl", nr: unix.SYS_IOCTL, args: [5]uintptr{fd, w.createRequest(), uintptr(unsafe.Pointer(&data[0]))}},
	)
	if flags&veCreate != 0 {
		proc := c.text("proc")
		c.last(call{what: "mount /proc", nr: unix.SYS_MOUNT, args: [5]uintptr{proc, c.text("/proc"), proc, 0, 0}})
	}
	return nil
}

// ve is a VE made by VEIoctl.
type ve struct {
	id    uint32
	pid   int
	root  veRoot
	gone  <-chan struct{} // closed when process 1 was reaped
	once  sync.Once
	ended error
}

func (c *ve) ID() string   { return strconv.FormatUint(uint64(c.id), 10) }
func (c *ve) PID() int     { return c.pid }
func (c *ve) Root() string { return c.root.dir }

// Enter does what vzctl exec does. It takes the root from the VE's own process: the host's path
// leads to mounts of the host, which the VE must not unmount.
func (c *ve) Enter(ctx context.Context, args []string) ([]byte, error) {
	vzctl, err := openVzctl()
	if err != nil {
		return nil, fmt.Errorf("enter VE %d: %w", c.id, err)
	}
	defer vzctl.Close()
	out, err := output(ctx, args, func(child *child) error {
		return enterVE(child, vzctl, "/proc/"+strconv.Itoa(c.pid)+"/root", c.id, veEnter)
	})
	if err != nil {
		return out, fmt.Errorf("enter VE %d: %w", c.id, err)
	}
	return out, nil
}

// EnterMounts is impossible: these kernels have no setns, and a task that enters a VE becomes the
// VE's.
func (c *ve) EnterMounts(context.Context, []string) ([]byte, error) {
	return nil, fmt.Errorf("enter mounts of VE %d: %w", c.id, errors.ErrUnsupported)
}

// Kill relies on the kernel to end a VE with its process 1. The VE's id becomes free only when a
// kernel thread has cleaned up.
func (c *ve) Kill() error {
	c.once.Do(func() { c.ended = errors.Join(c.kill(), c.root.remove()) })
	return c.ended
}

func (c *ve) kill() error {
	select {
	case <-c.gone:
	default:
		unix.Kill(c.pid, unix.SIGKILL)
	}
	limit := time.NewTimer(KillLimit)
	defer limit.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	gone := c.gone
	for {
		select {
		case <-gone:
			gone = nil
		case <-poll.C:
		case <-limit.C:
			return fmt.Errorf("kill VE %d, process %d: %w", c.id, c.pid, ErrStuck)
		}
		if gone != nil {
			continue
		}
		runs, err := veRuns(c.id)
		if err == nil && !runs {
			runs, err = cleanerRuns(c.id)
		}
		if err != nil {
			return fmt.Errorf("kill VE %d: %w", c.id, err)
		}
		if !runs {
			return nil
		}
	}
}

// cleanerRuns reports whether the kernel thread that cleans up after a VE still exists. It
// becomes a child of the host's process 1, and keeps the VE's mounts until it is reaped. In a
// guest, this program is process 1 and must reap it.
func cleanerRuns(id uint32) (bool, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return false, err
	}
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(stat, fmt.Appendf(nil, " (vzmond/%d) ", id)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return false, err
		}
		var status unix.WaitStatus
		unix.Wait4(pid, &status, unix.WNOHANG|unix.WALL, nil)
		return true, nil
	}
	return false, nil
}
