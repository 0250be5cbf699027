// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Exposed returns which directory others can write to who are not the store's owner: the store's own and those above it, and
// those of the snapshots; or whose manifest. They could put builds and verdicts there that nobody made. nil is none.
func (s *Store) Exposed(refs ...Ref) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(s.root.Fd()), &st); err != nil {
		return err
	}
	if err := exposed(s.dir, &st, false); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		return err
	}
	for d := filepath.Dir(real); ; d = filepath.Dir(d) {
		var above unix.Stat_t
		if err := unix.Stat(d, &above); err != nil {
			return fmt.Errorf("look at %s: %w", d, err)
		}
		if err := exposed(d, &above, true); err != nil {
			return err
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	seen := map[string]bool{}
	for _, ref := range refs {
		for rel := filepath.Join(ref.dir(), manifestFile); rel != "." && !seen[rel]; rel = filepath.Dir(rel) {
			seen[rel] = true
			st, err := s.lstat(rel)
			if err != nil {
				return err
			}
			if err := exposed(s.path(rel), &st, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// exposed is of one directory or file. Above the store the sticky bit keeps others from moving it away.
func exposed(path string, st *unix.Stat_t, above bool) error {
	if st.Mode&0o022 == 0 || above && st.Mode&unix.S_ISVTX != 0 {
		return nil
	}
	return fmt.Errorf("others can write to %s (mode %04o), so they could change builds and verdicts; take that right from them (chmod go-w %[1]s), and look whether all is as it was: ovzpatch store verify, ovzpatch store show", path, st.Mode&0o7777)
}
