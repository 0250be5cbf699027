// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/plainfile"
)

// anchor is by what a file can be told from most others: the longest line that the patch
// wants to find in a file of its own, and the longest that it adds there.
type anchor struct{ finds, adds []byte }

func anchorsOf(patch []byte) (list []anchor) {
	for line := range bytes.Lines(patch) {
		body := bytes.TrimRight(line, "\r\n")
		switch {
		case bytes.HasPrefix(body, []byte("+++ ")):
			list = append(list, anchor{})
		case len(list) == 0 || len(body) == 0 || bytes.HasPrefix(body, []byte("--- ")):
		case body[0] == '+':
			if a := &list[len(list)-1]; len(body) > len(a.adds) {
				a.adds = body[1:]
			}
		case body[0] == ' ' || body[0] == '-':
			if a := &list[len(list)-1]; len(body) > len(a.finds) {
				a.finds = body[1:]
			}
		}
	}
	return list
}

// isTwin tells whether a file may be one that the patch would go into, and is not in it.
func (p *proof) isTwin(name string, content []byte) bool {
	if end := filepath.Ext(name); end != ".c" && end != ".h" {
		return false
	}
	return slices.ContainsFunc(p.anchors, func(a anchor) bool {
		return len(a.finds) > 0 && bytes.Contains(content, a.finds) && !(len(a.adds) > 0 && bytes.Contains(content, a.adds))
	})
}

// compiledInPlace looks in the trees that are compiled for a file that may be compiled in the
// place of one with the patch. trees are below the build directory, files what the patch
// changes, as the original has it.
func (p *proof) compiledInPlace(left *outcome, trees []string, files map[string][]byte, found *Proven) error {
	for _, tree := range trees {
		key := string(p.unmarked([]byte(tree)))
		var twins []string
		for _, name := range slices.Sorted(maps.Keys(left.twins)) {
			below, err := filepath.Rel(key, name)
			if err != nil || !filepath.IsLocal(below) || slices.Contains(p.Files, below) || left.ownKernel(p, name, key) {
				continue
			}
			if p.wouldTake(files, left.twins[name]) {
				twins = append(twins, below)
				found.Unseen = append(found.Unseen, fmt.Sprintf("whether %s in %s is compiled: the patch would go into it, too, and is not in it", below, called(tree)))
			}
		}
		for _, file := range p.Files {
			if p.compiles(tree, file) {
				continue
			}
			for _, twin := range twins {
				if filepath.Dir(twin) == filepath.Dir(file) && p.compiles(tree, twin) {
					return p.not("%%build compiles %s in %s, into which the patch would go, too, in the place of %s, which has it", twin, called(tree), file)
				}
			}
			found.Unseen = append(found.Unseen, fmt.Sprintf("whether %s in %s is compiled: the Makefile there does not name %s", file, called(tree), objectOf(file)))
		}
	}
	return nil
}

// ownKernel tells whether a file is one that the patch changes, in a kernel's tree of its own.
func (t *outcome) ownKernel(p *proof, name, tree string) bool {
	dir, ok := p.inTree(name)
	_, makefile := t.files[filepath.Join(dir, "Makefile")]
	return ok && makefile && dir != tree
}

// wouldTake tells whether the patch fits a text in the place of one of its files.
func (p *proof) wouldTake(files map[string][]byte, text []byte) bool {
	return slices.ContainsFunc(p.Files, func(name string) bool {
		trial := maps.Clone(files)
		trial[name] = text
		_, err := p.Apply(trial)
		return err == nil
	})
}

func objectOf(file string) string {
	return strings.TrimSuffix(filepath.Base(file), ".c") + ".o"
}

// compiles tells whether the Makefile beside a file names its object. Where there is none,
// and of a header, nothing is said against it.
func (p *proof) compiles(tree, file string) bool {
	named := regexp.MustCompile(`(?m)^[^#\n]*(^|[\s=])` + regexp.QuoteMeta(objectOf(file)) + `([\s\\]|$)`)
	there := false
	for _, name := range []string{"Makefile", "Kbuild"} {
		text, err := plainfile.Read(filepath.Join(p.build(), tree, filepath.Dir(file), name))
		there = there || err == nil
		if named.Match(text) {
			return true
		}
	}
	return !there || filepath.Ext(file) != ".c"
}
