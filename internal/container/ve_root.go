// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// veRoot is a VE's root directory on the host.
type veRoot struct {
	dir    string
	target string   // where the host's directory is bound, on the host
	binds  []string // of programs, on the host
}

// newVERoot makes a root on its own filesystem, because the kernel marks what it finds there as
// the VE's.
func newVERoot(s Spec) (veRoot, error) {
	dir, err := os.MkdirTemp("", "ve")
	if err != nil {
		return veRoot{}, fmt.Errorf("make root: %w", err)
	}
	r := veRoot{dir: dir, target: filepath.Join(dir, s.Target)}
	if err := unix.Mount("none", dir, "tmpfs", 0, "mode=755"); err != nil {
		return veRoot{}, errors.Join(fmt.Errorf("mount root %s: %w", dir, err), os.Remove(dir))
	}
	// What the host mounts there later appears in the VE, whose root is a slave of this one.
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		return veRoot{}, errors.Join(fmt.Errorf("share the mounts in %s: %w", dir, err), unix.Unmount(dir, unix.MNT_DETACH), os.Remove(dir))
	}
	if err := r.fill(s); err != nil {
		return veRoot{}, errors.Join(fmt.Errorf("fill root %s: %w", dir, err), r.remove())
	}
	return r, nil
}

func (r *veRoot) fill(s Spec) error {
	for _, d := range []string{filepath.Join(r.dir, "proc"), filepath.Join(r.dir, "dev"), r.target} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mknod(filepath.Join(r.dir, os.DevNull), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		return fmt.Errorf("make %s: %w", os.DevNull, err)
	}
	for _, path := range append([]string{s.Args[0]}, s.Programs...) {
		if err := r.bind(path); err != nil {
			return err
		}
	}
	if s.Source == "" {
		return nil
	}
	if err := unix.Mount(s.Source, r.target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", s.Source, r.target, err)
	}
	return nil
}

// bind bind-mounts a program of the host into the root, at the same path.
func (r *veRoot) bind(program string) error {
	from, err := programs.get(program)
	if err != nil {
		return err
	}
	to := filepath.Join(r.dir, program)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(to, nil, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", from, to, err)
	}
	r.binds = append(r.binds, to)
	return nil
}

// remove unmounts the host's mounts. Copies of them stay in the VE's mount namespace, which
// 2.6.18 never frees (do_env_create takes one reference too many), so the directory may have to
// stay.
func (r veRoot) remove() error {
	var errs []error
	for _, dir := range append(r.binds, r.target, r.dir) {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("detach %s: %w", dir, err))
		}
	}
	// Not RemoveAll: it would walk into a mount that is left.
	if err := os.Remove(r.dir); !errors.Is(err, unix.EBUSY) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
