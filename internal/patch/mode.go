// SPDX-License-Identifier: Apache-2.0

package patch

import "io/fs"

// Modes as git writes them into a patch: only the file type and the owner's x bit.
const (
	gitTypeMask = 0o170000
	gitRegular  = 0o100000
	gitSymlink  = 0o120000
)

// regularOrLink reports whether a mode is that of a file or a symbolic link.
func regularOrLink(m fs.FileMode) bool { return m&fs.ModeType&^fs.ModeSymlink == 0 }

// isLinkMode reports whether one of git's mode numbers is a symbolic link's.
func isLinkMode(modes ...fs.FileMode) bool {
	for _, m := range modes {
		if m&gitTypeMask == gitSymlink {
			return true
		}
	}
	return false
}

// newMode returns a file's mode after git's number is applied. Only the x bits follow that
// number: the tree's owner decides who may read and write. A new file, whose old mode is 0, gets
// everything that the umask allows.
func newMode(old, git fs.FileMode) (mode fs.FileMode, ok bool) {
	switch {
	case git == 0 && old == 0:
		return 0o666, true
	case git == 0:
		return old, true
	case git&gitTypeMask == gitSymlink:
		return fs.ModeSymlink | 0o777, true
	case git&gitTypeMask != gitRegular:
		return 0, false
	case old == 0 || old&fs.ModeSymlink != 0:
		old = 0o666
	}
	old &^= 0o111
	if git&0o100 != 0 {
		old |= old & 0o444 >> 2
	}
	return old, true
}
