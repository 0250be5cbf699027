// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/cache"
)

// unmarked is a text without the mark, and without our patch in a list of patches.
func (p *proof) unmarked(text []byte) []byte {
	if tag := p.made.tag; tag != "" && bytes.Contains(text, []byte(tag)) {
		text = bytes.ReplaceAll(text, []byte(tag), nil)
	}
	if bytes.Contains(text, []byte(p.PatchFile)) {
		text = p.listed.ReplaceAll(text, nil)
	}
	return text
}

// inLists finds the name of a patch, with its directory, in a list of patches: the whole
// line where that is all.
func inLists(name string) *regexp.Regexp {
	name = regexp.QuoteMeta(name)
	return regexp.MustCompile(`(?m)^\S*` + name + `( -p\d+)?\n|[ \t]?\S*` + name)
}

// inTree returns the directory in which a file is one that the patch changes; "." is the
// build directory.
func (p *proof) inTree(name string) (dir string, ok bool) {
	for _, file := range p.Files {
		if rest, ok := strings.CutSuffix(name, file); ok && (rest == "" || strings.HasSuffix(rest, "/")) {
			return filepath.Clean(rest), true
		}
	}
	return "", false
}

// changed are the names of what is not the same in both, sorted.
func changed(a, b *outcome) []string {
	var list []string
	for name, f := range a.files {
		if g, ok := b.files[name]; !ok || f != g {
			list = append(list, name)
		}
	}
	for name := range b.files {
		if _, ok := a.files[name]; !ok {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// differences are what is not the same in the original and in the package with the patch.
type differences struct {
	trees []string // directories below which files that the patch changes are not the same
	other []string // files that the patch does not change
}

func (p *proof) differences(before, after *outcome) (d differences) {
	for _, name := range changed(before, after) {
		dir, ok := p.inTree(name)
		switch {
		case ok && !slices.Contains(d.trees, dir):
			d.trees = append(d.trees, dir)
		case !ok && !p.isBackup(name, before, after) && !isCopy(name, before, after):
			d.other = append(d.other, name)
		}
	}
	return d
}

// isBackup tells what patch keeps of a file as it was: NAME.orig, or with -b NAME.SUFFIX.
func (p *proof) isBackup(name string, before, after *outcome) bool {
	for original := range before.kept {
		suffix, ok := strings.CutPrefix(name, original)
		if ok && suffix != "" && strings.ContainsRune(".~", rune(suffix[0])) && !strings.Contains(suffix, "/") {
			_, was := before.files[name]
			return !was && after.files[name].sum == before.files[original].sum
		}
	}
	return false
}

// isCopy tells a copy of a file that the patch changes: without it in the one, with it in the other.
func isCopy(name string, before, after *outcome) bool {
	for original := range before.kept {
		if before.files[name] != after.files[name] && before.files[name].sum == before.files[original].sum && after.files[name].sum == after.files[original].sum {
			return true
		}
	}
	return false
}

// maxNamed is how many files a message names.
const maxNamed = 10

func few(names []string) string {
	list := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if n := len(names); n > maxNamed {
		list += fmt.Sprintf(" and %d more", n-maxNamed)
	}
	return list
}

// onlyThePatch makes sure that the differences are those that the patch makes, and returns
// the digests that each of its files may have.
func (p *proof) onlyThePatch(before, after *outcome, d differences) (digests, error) {
	if len(d.other) > 0 {
		return nil, p.not("after %%prep the package differs from the original in what the patch does not change: %s. Does %%prep depend on the content or the time of the patched file, or %s?", few(d.other), mayDependOn)
	}
	if len(d.trees) == 0 {
		return nil, p.not("after %%prep the tree is still the original's: %s does not have the patch", strings.Join(p.Files, ", "))
	}
	want := digests{}
	for _, dir := range d.trees {
		patched, err := p.Apply(p.filesOf(before, dir))
		if err != nil {
			return nil, p.not("%s is changed by %%prep, and the patch does not fit there: %v", called(dir), err)
		}
		for _, name := range p.Files {
			path := filepath.Join(dir, name)
			should, there := patched[name]
			is, found := after.kept[path]
			if there != found || !bytes.Equal(p.unmarked(should), p.unmarked(is)) {
				return nil, p.not("after %%prep %s is not the original's with the patch applied once", path)
			}
			want.add(name, is, found)
		}
	}
	return want, nil
}

// filesOf are the files of a tree that the patch changes.
func (p *proof) filesOf(t *outcome, tree string) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range p.Files {
		if text, ok := t.kept[filepath.Join(tree, name)]; ok {
			files[name] = text
		}
	}
	return files
}

func (p *proof) not(format string, args ...any) error {
	return &NotProven{Spec: p.made.Spec.Name(), Reason: fmt.Sprintf(format, args...)}
}

// called names a directory by its path from the build directory.
func called(below string) string {
	if below == "." {
		return "the build directory"
	}
	return below
}

// digests are what each file that the patch changes may hold, as sha256sum writes it.
type digests map[string]map[string]bool

// notThere stands for the digest of a file that is not there.
const notThere = "-"

func (d digests) add(name string, text []byte, there bool) {
	if d[name] == nil {
		d[name] = map[string]bool{}
	}
	key := notThere
	if there {
		key = cache.SHA256(text)
	}
	d[name][key] = true
}
