// SPDX-License-Identifier: Apache-2.0

// Package patch applies unified diffs to kernel sources, or says exactly why it cannot.
//
// Parse reads a patch in any of the usual forms. NewPlan decides where every hunk goes, from
// bytes alone, so that a tarball or source RPM need not be unpacked. Tree.Apply writes a plan
// into a directory, all or nothing. Hunks are located as GNU patch does it; docs/patch.md says
// where this package is stricter, and why.
package patch

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// devNull is the name that means "no file" in a diff header.
const devNull = "/dev/null"

// Patch is a parsed patch: the changes to one or more files, in the order of the text.
type Patch struct {
	Name   string // where it came from, for messages
	Header string // the text before the first file: mail header, description
	Files  []*File
}

// File is the change to one file.
type File struct {
	OldName string // as written, not stripped; "/dev/null" if the file is new
	NewName string // as written, not stripped; "/dev/null" if the file is deleted
	Line    int    // first line of the change in the patch, from 1

	diff  *gitdiff.File
	git   bool  // has a "diff --git" header: one leading path component is a prefix
	crlf  bool  // the patch's own lines ended with CR LF; the CRs were removed
	lines []int // line in the patch of each hunk's header
}

// Hunks is the number of hunks; 0 for a rename, a mode change, or a binary change.
func (f *File) Hunks() int { return len(f.diff.TextFragments) }

// Content is a file: its bytes, or a symbolic link's target, and its mode. Only the type and the
// permissions of the mode count.
type Content struct {
	Data []byte
	Mode fs.FileMode
}

// Files returns a file of the sources by its slash-separated name from their root. An error that
// is fs.ErrNotExist means that there is no such file.
type Files func(name string) (Content, error)

// names are the one or two names in the header, without /dev/null.
func (f *File) names() []string {
	names := []string{f.OldName, f.NewName}
	names = slices.DeleteFunc(names, func(n string) bool { return n == devNull })
	return slices.Compact(names)
}

// stripped removes n leading components from a name as patch -p does: several slashes in a row
// count as one. It returns "" if the name has no more than n components.
func stripped(name string, n int) string {
	for ; n > 0; n-- {
		_, rest, found := strings.Cut(name, "/")
		if !found {
			return ""
		}
		name = strings.TrimLeft(rest, "/")
	}
	return name
}
