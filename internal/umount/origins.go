// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// origins make the mount under test at path, from a superblock that is mounted at source. other is a directory for a
// mount in between.
var origins = map[string]func(source, other, path string) error{
	"":     func(source, _, path string) error { return bind(source+"/"+dirName, path) },
	"root": func(source, _, path string) error { return bind(source, path) },
	"file": func(source, _, path string) error { return bind(source+"/"+dataFile, path) },
	"again": func(source, other, path string) error {
		if err := bind(source+"/"+dirName, other); err != nil {
			return err
		}
		return bind(other, path)
	},
	"moved": func(source, other, path string) error {
		if err := bind(source+"/"+dirName, other); err != nil {
			return err
		}
		if err := unix.Mount(other, path, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s to %s: %w", other, path, err)
		}
		return nil
	},
	"none": func(_, _, _ string) error { return nil },
	"overlay": func(source, other, path string) error {
		// Without an upper directory overlay wants two lower ones.
		if err := unix.Mount("none", path, "overlay", 0, "lowerdir="+source+"/"+dirName+":"+other); err != nil {
			return fmt.Errorf("mount overlay at %s: %w", path, err)
		}
		return nil
	},
	"shared": func(source, _, path string) error { return bindAs(source, path, unix.MS_SHARED) },
	"peer": func(source, other, path string) error {
		if err := bindAs(source, other, unix.MS_SHARED); err != nil {
			return err
		}
		return bind(other, path)
	},
	"nosuid": func(source, _, path string) error {
		return bindWith(source, path, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
	},
	"read-only": func(source, _, path string) error {
		return bindWith(source, path, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
	},
	"beside tmpfs": func(source, other, path string) error {
		if err := unix.Mount("none", other, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount tmpfs at %s: %w", other, err)
		}
		return bind(source+"/"+dirName, path)
	},
	"on top": func(source, _, path string) error {
		if err := bind(source+"/"+dirName, path); err != nil {
			return err
		}
		return bind(source+"/"+dirName, path)
	},
	"private": func(source, _, path string) error { return bindAs(source, path, unix.MS_PRIVATE) },
	"parent": func(source, _, path string) error {
		if err := bind(source+"/"+dirName, path); err != nil {
			return err
		}
		if err := unix.Mount("none", path+"/"+dirName, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount tmpfs at %s: %w", path+"/"+dirName, err)
		}
		return nil
	},
}

func bind(source, path string) error {
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, path, err)
	}
	return nil
}

func bindAs(source, path string, propagation uintptr) error {
	if err := bind(source+"/"+dirName, path); err != nil {
		return err
	}
	if err := unix.Mount("", path, "", propagation, ""); err != nil {
		return fmt.Errorf("set the propagation of %s: %w", path, err)
	}
	return nil
}

func bindWith(source, path string, options uintptr) error {
	if err := bind(source+"/"+dirName, path); err != nil {
		return err
	}
	if err := unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND|options, ""); err != nil {
		return fmt.Errorf("set the options of %s: %w", path, err)
	}
	return nil
}
