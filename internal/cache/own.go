// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Check refuses a directory that others could put results or links into: ovzpatch packs, boots
// and runs what it takes from a cache. If the directory is missing, Check looks at the existing
// part of its path.
func (c Cache) Check() error {
	if !filepath.IsAbs(c.Dir) {
		return fmt.Errorf("use cache %s: its path must be absolute", c.Dir)
	}
	// The path as named, and with all links followed.
	paths := []string{filepath.Clean(c.Dir)}
	real, err := follow(paths[0])
	if err != nil {
		return fmt.Errorf("use cache %s: %w; name a directory of your own with --cache-dir", c.Dir, err)
	}
	if real != paths[0] {
		paths = append(paths, real)
	}
	for _, path := range paths {
		for dir, last := path, true; ; dir, last = filepath.Dir(dir), false {
			if err := trusted(dir, last); err != nil {
				return fmt.Errorf("use cache %s: %w; name a directory of your own with --cache-dir", c.Dir, err)
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return nil
}

// follow follows the links of a path as far as it exists.
func follow(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("%s is a link to nothing", path)
	}
	above, err := follow(filepath.Dir(path))
	return filepath.Join(above, filepath.Base(path)), err
}

// trusted returns an error unless only this user and root can change what a path leads to. Groups
// may write above the cache: on some systems /usr/local belongs to group staff.
func trusted(path string, cache bool) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	owner := st.Sys().(*syscall.Stat_t).Uid
	us := uint32(os.Geteuid())
	if owner != us && owner != 0 {
		return fmt.Errorf("%s belongs to user %d, not to you (user %d)", path, owner, us)
	}
	switch {
	case st.Mode()&fs.ModeSymlink != 0:
		return nil // the mode of a link says nothing
	case !st.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	case cache && st.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write to %s (chmod go-w it if its content is yours)", path)
	case st.Mode().Perm()&0o002 != 0 && st.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("everybody can write to %s", path)
	}
	return nil
}
