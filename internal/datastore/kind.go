// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"golang.org/x/sys/unix"
)

// kindError tells that something is not what can be in a store.
type kindError struct{ kind string }

func (e kindError) Error() string {
	return "it is " + e.kind + ", which a datastore does not use; look at it, and remove it by hand"
}

var errLink = kindError{"a symbolic link"}

// kind wants a file to be of a type, S_IFREG or S_IFDIR.
func kind(st *unix.Stat_t, want uint32) error {
	is := st.Mode & unix.S_IFMT
	if is == want {
		return nil
	}
	switch is {
	case unix.S_IFLNK:
		return errLink
	case unix.S_IFDIR:
		return kindError{"a directory, not a regular file"}
	case unix.S_IFREG:
		return kindError{"a regular file"}
	case unix.S_IFIFO:
		return kindError{"a FIFO, not a regular file"}
	case unix.S_IFSOCK:
		return kindError{"a socket, not a regular file"}
	}
	return kindError{"a device, not a regular file"}
}
