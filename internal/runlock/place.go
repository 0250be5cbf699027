// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrPlace is what errors.Is finds when there is no safe directory for locks.
var ErrPlace = errors.New("no directory for locks")

// Place says where the lock files of all datastores of one user are.
type Place struct {
	// Root is the directory that holds one directory for each datastore. The directory
	// above it is ours, too, and the one above that must be there.
	Root string
	// OldMarker is the file whose existence means that the datastore's directories
	// are locked as well, as programs did that may still run.
	OldMarker string
}

// base is the directory that holds all that we have under /run.
func (p Place) base() string { return filepath.Dir(p.Root) }

// DefaultPlace is /run/ovzpatch for uid 0. Everybody else has a directory in runtimeDir
// or, where that is not known, in /run/user, where it would be; who never logged in has
// one in /dev/shm, which every Linux has. The marker of the old locking is the machine's
// in all cases: packages make it.
func DefaultPlace(uid int, runtimeDir string) Place {
	base := "/run/ovzpatch"
	if uid != 0 {
		id := strconv.Itoa(uid)
		session := "/run/user/" + id
		switch {
		case filepath.IsAbs(runtimeDir):
			base = filepath.Join(runtimeDir, "ovzpatch")
		case checkDir(session, uid) == nil:
			base = filepath.Join(session, "ovzpatch")
		default:
			base = "/dev/shm/ovzpatch-" + id
		}
	}
	return Place{Root: filepath.Join(base, "locks"), OldMarker: "/run/ovzpatch/old-locking"}
}

// prepare makes the place's directories and refuses those that others could change:
// who can move a lock file away makes two hold the same lock.
func (p Place) prepare() error {
	if err := p.prepareDirs(); err != nil {
		return fmt.Errorf("%w: %w", ErrPlace, err)
	}
	return nil
}

func (p Place) prepareDirs() error {
	if err := checkParent(filepath.Dir(p.base())); err != nil {
		return err
	}
	for _, dir := range []string{p.base(), p.Root} {
		if err := makeDir(dir); err != nil {
			return fmt.Errorf("make %s: %w", dir, err)
		}
		if err := checkDir(dir, os.Geteuid()); err != nil {
			return err
		}
		if err := openUp(dir); err != nil {
			return err
		}
	}
	return checkMemory(p.Root)
}

// checkParent wants a directory in which nobody can replace ours.
func checkParent(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("%s: %w (XDG_RUNTIME_DIR must name a directory of your own that is there)", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("%s: it is not a directory", dir)
	}
	if st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
		return fmt.Errorf("%s: others can write to it (mode %04o), so they could remove lock files; remove their write permission", dir, st.Mode&0o7777)
	}
	if int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		return fmt.Errorf("%s: it belongs to uid %d, who could remove lock files; XDG_RUNTIME_DIR must name a directory of your own", dir, st.Uid)
	}
	return nil
}

// checkDir wants a directory, not a link to one, that uid alone can change.
func checkDir(dir string, uid int) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return fmt.Errorf("%s: it is a symbolic link, which ovzpatch does not follow; remove it, and ovzpatch makes the directory anew", dir)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s: it is not a directory; remove it, and ovzpatch makes the directory anew", dir)
	case int(st.Uid) != uid:
		return fmt.Errorf("%s: it belongs to uid %d, who could remove lock files; remove it, and ovzpatch makes the directory anew", dir, st.Uid)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("%s: others can write to it (mode %04o), so they could remove lock files; run chmod 755 on it while no store command runs", dir, st.Mode&0o7777)
	}
	return nil
}

// openUp lets everybody look into a directory of ours: for the old-locking marker, and to
// learn who holds a lock. Earlier releases made them for the owner's group only.
func openUp(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	if st.Mode&dirMode == dirMode {
		return nil
	}
	return os.Chmod(dir, dirMode)
}

// statfs is a variable so that a test can stand on a filesystem nobody has at hand.
var statfs = unix.Statfs

// checkMemory wants a filesystem that a reboot empties, as the old-locking marker and
// what is known of this boot's stores rely on.
func checkMemory(dir string) error {
	var st unix.Statfs_t
	if err := statfs(dir, &st); err != nil {
		return fmt.Errorf("find out the filesystem of %s: %w", dir, err)
	}
	if st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC {
		return nil
	}
	return fmt.Errorf("%s: it is not on a tmpfs, so what is in it would outlive a reboot; mount one there: mount -t tmpfs -o mode=755 tmpfs %s", dir, filepath.Dir(dir))
}

// makeDir makes one directory that may be there.
func makeDir(dir string) error {
	err := os.Mkdir(dir, dirMode)
	if err == nil {
		// Past any umask; when it is gone by now, the caller makes it again.
		err = os.Chmod(dir, dirMode)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// makeDirs makes the directories between root, which is there, and path. One may be
// tidied away in between by a Remove: the caller tries again, for a while.
func makeDirs(root, dir string) error {
	if len(dir) <= len(root) {
		return makeDir(root)
	}
	err := makeDir(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := makeDirs(root, filepath.Dir(dir)); err != nil {
		return err
	}
	return makeDir(dir)
}
