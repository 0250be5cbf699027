// SPDX-License-Identifier: Apache-2.0

// Package preflight finds out before the work whether the files that a request names are there, and
// whether its results can be written. What is wrong is a job.ErrRequest that names the flag.
package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/job"
)

// File refuses a path at which there is no file; "" is none. flag is "" for an argument.
func File(flag, path string) error { return there(flag, path, false) }

// Dir refuses a path at which there is no directory; "" is none. flag is "" for an argument.
func Dir(flag, path string) error { return there(flag, path, true) }

// NewDir refuses a path at which there is something else than a directory; nothing there is right, too.
func NewDir(flag, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return Dir(flag, path)
}

func there(flag, path string, dir bool) error {
	if path == "" {
		return nil
	}
	st, err := os.Stat(path)
	switch {
	case err != nil:
	case dir && !st.IsDir():
		err = fmt.Errorf("%s: it is not a directory", path)
	case !dir && st.IsDir():
		err = fmt.Errorf("%s: it is a directory; name a file", path)
	default:
		err = Endless(path)
	}
	switch {
	case err == nil:
		return nil
	case flag != "":
		return job.BadRequest(fmt.Errorf("--%s: %w", flag, err))
	}
	return job.BadRequest(err)
}

// Endless refuses a file that may have no end: a pipe that nobody writes to is not even opened. What
// the shell has opened, as <(COMMAND), is not among them.
func Endless(path string) error {
	st, err := os.Stat(path)
	opened := path == os.DevNull || path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
	if err != nil || opened || st.IsDir() || st.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s: it is a pipe, a socket or a device, and reading it might never end; name a file", path)
}

// Output finds out whether results can be written to a directory, by writing there; "" is no
// directory. It removes again what it makes for that.
func Output(flag, dir string) error {
	if dir == "" {
		return nil
	}
	if err := writable(dir); err != nil {
		return job.BadRequest(fmt.Errorf("--%s=%s: %w", flag, dir, err))
	}
	return nil
}

// writable writes to a directory.
func writable(dir string) error {
	undo, err := atomicfile.MakeDir(dir)
	if err != nil {
		return err
	}
	defer undo()
	f, err := os.CreateTemp(dir, ".ovzpatch-")
	if err != nil {
		return atomicfile.NotMade(err, dir)
	}
	// A full disk has room for a name still.
	_, err = f.Write(make([]byte, room))
	return atomicfile.Named(errors.Join(err, f.Close(), os.Remove(f.Name())), f.Name(), dir)
}

// room is what the smallest results take.
const room = 16 << 10

// OutputFile finds out whether a file can be written; "" is no file.
func OutputFile(flag, path string) error {
	if path == "" {
		return nil
	}
	refuse := func(why string) error { return job.BadRequest(fmt.Errorf("--%s=%s: %s", flag, path, why)) }
	if i, err := os.Stat(path); err == nil && i.IsDir() {
		return refuse("it is a directory; name a file")
	}
	// A file is written whole by a rename. That would put it in the place of /dev/null or /dev/stdout, too.
	if i, err := os.Lstat(path); err == nil && !i.Mode().IsRegular() {
		return refuse("it is a link, a device or a pipe, in whose place a file would be put; name another file")
	}
	if why := fixed(path); why != "" {
		return refuse(why)
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		return job.BadRequest(fmt.Errorf("--%s=%s: %w", flag, path, err))
	}
	if err := writable(dir); err != nil {
		return refuse(err.Error())
	}
	return nil
}

// fixed returns why no file can be put in the place of the one that is there, or into its directory; "" is nothing.
func fixed(path string) string {
	const attributes = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND
	var file, dir unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, filepath.Dir(path), 0, unix.STATX_BASIC_STATS, &dir) != nil {
		return ""
	}
	if dir.Attributes&attributes != 0 {
		return "its directory cannot be changed, as its attributes say (lsattr -d); name another file, or take them away with chattr"
	}
	us := uint32(os.Geteuid())
	switch err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &file); {
	case err != nil:
	case file.Attributes&attributes != 0:
		return "the file cannot be replaced, as its attributes say (lsattr); name another file, or take them away with chattr"
	case file.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return "a filesystem is mounted on the file, so that it cannot be replaced; name another file"
	case dir.Mode&unix.S_ISVTX != 0 && us != 0 && file.Uid != us && dir.Uid != us:
		return "the file belongs to somebody else, and only its owner can replace it in this directory; name another file"
	}
	return ""
}
