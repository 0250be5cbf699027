// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// exists reports whether the sources have the file. Names that no tree can have do not exist.
func exists(files Files, name string) (bool, error) {
	if name == "" || !filepath.IsLocal(name) {
		return false, nil
	}
	_, err := files(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// MostStrip returns how many leading components can be removed from the names of every file, and
// a name that has no more.
func (p *Patch) MostStrip() (most int, name string) {
	for i, f := range p.Files {
		deepest, at := -1, ""
		for _, n := range f.names() {
			if slashes := strings.Count(n, "/"); slashes > deepest {
				deepest, at = slashes, n
			}
		}
		if i == 0 || deepest < most {
			most, name = max(deepest, 0), at
		}
	}
	return most, name
}

// maxDepth is how many leading components are tried to be removed. --strip can say more.
const maxDepth = 32

// findStrip returns how many leading components to strip from the patch's names: the number with
// which most files exist. It prefers 1, as git and quilt write names, then 0. ok is false if no
// number finds any file and the names alone do not tell.
func (p *Patch) findStrip(files Files, reverse bool) (level int, ok bool, err error) {
	deepest := 0
	for _, f := range p.Files {
		for _, name := range f.names() {
			deepest = min(max(deepest, strings.Count(name, "/")), maxDepth)
		}
	}
	levels := []int{1, 0}
	for n := 2; n <= deepest; n++ {
		levels = append(levels, n)
	}
	best := 0
	for _, n := range levels {
		found, wanted := 0, 0
		for _, f := range p.Files {
			if reverse && f.diff.IsDelete || !reverse && f.diff.IsNew {
				continue
			}
			wanted++
			for _, name := range f.names() {
				there, err := exists(files, stripped(name, n))
				if err != nil {
					return 0, false, err
				}
				if there {
					found++
					break
				}
			}
		}
		if found > best {
			best, level, ok = found, n, true
		}
		if found > 0 && found == wanted {
			return n, true, nil
		}
	}
	if ok {
		return level, true, nil
	}
	// No file exists: the patch only creates files, or belongs to other sources.
	for _, f := range p.Files {
		if !f.prefixed() {
			return 1, false, nil
		}
	}
	return 1, true, nil
}

// prefixed reports whether the names themselves show one component to strip: git's a/ and b/, or
// two directories that hold the same file.
func (f *File) prefixed() bool {
	if f.git {
		return true
	}
	for _, name := range f.names() {
		if strings.HasPrefix(name, "a/") || strings.HasPrefix(name, "b/") {
			return true
		}
	}
	return f.OldName != f.NewName && stripped(f.OldName, 1) != "" && stripped(f.OldName, 1) == stripped(f.NewName, 1)
}

// target chooses which of the header's names, stripped, is the file to change. Like GNU patch, it
// takes the existing one with the fewest components, then the shortest last component, then the
// shortest name. If none exists, it chooses among all in the same way.
func (f *File) target(files Files, strip int) (string, error) {
	var best string
	bestThere := false
	for _, raw := range f.names() {
		name := stripped(raw, strip)
		if name == "" {
			continue
		}
		there, err := exists(files, name)
		if err != nil {
			return "", err
		}
		if best == "" || there && !bestThere || there == bestThere && simpler(name, best) {
			best, bestThere = name, there
		}
	}
	return best, nil
}

func simpler(a, b string) bool {
	if n, m := strings.Count(a, "/"), strings.Count(b, "/"); n != m {
		return n < m
	}
	if n, m := len(a)-strings.LastIndexByte(a, '/'), len(b)-strings.LastIndexByte(b, '/'); n != m {
		return n < m
	}
	return len(a) < len(b)
}
