// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// allIDs maps every user id and group id to itself, as OpenVZ's libvzctl does (lib/env_nsops.c,
// write_id_maps).
const allIDs = "0 0 4294967295"

// userNamespace makes the last stage of a child wait for its id maps, and then become root.
type userNamespace struct {
	r, w  *os.File
	stage int
}

// newUserNamespace adds the user namespace to the last stage. Close it in every case.
func newUserNamespace(c *child) (*userNamespace, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	u := &userNamespace{r: r, w: w, stage: len(c.stages) - 1}
	fd, err := c.descriptor(r)
	if err != nil {
		u.Close()
		return nil, err
	}
	c.stages[u.stage].flags |= unix.CLONE_NEWUSER
	c.last(
		call{what: "wait for id maps", nr: unix.SYS_READ, args: [5]uintptr{fd, c.buffer(1), 1}},
		call{what: "become user 0", nr: unix.SYS_SETUID},
		call{what: "become group 0", nr: unix.SYS_SETGID},
		call{what: "leave all groups", nr: unix.SYS_SETGROUPS},
	)
	return u, nil
}

// forked writes the stage's maps.
func (u *userNamespace) forked(stage, pid int) error {
	if u == nil || stage != u.stage {
		return nil
	}
	for _, name := range []string{"gid_map", "uid_map"} {
		if err := writeFile("/proc/"+strconv.Itoa(pid)+"/"+name, allIDs); err != nil {
			return fmt.Errorf("map ids: %w", err)
		}
	}
	_, err := u.w.Write([]byte{1})
	return err
}

// Close closes both ends. A stage that still waits then has no maps, and fails.
func (u *userNamespace) Close() {
	if u != nil {
		u.r.Close()
		u.w.Close()
	}
}

// writeFile writes a text into one of the kernel's files, in one write.
func writeFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
