// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/command"
)

// compiled makes sure that each tree in which %build should compile holds the patch at that
// time, and returns these trees, as they lie below the build directory.
func (p *proof) compiled(b *built, want digests, found *Proven) (trees []string, err error) {
	calls, failed := b.calls, b.failed
	for _, c := range calls {
		if c.kind == "other" || c.kind == "compile" && c.tree == "" {
			found.Unseen = append(found.Unseen, fmt.Sprintf("what %q in %s comes to, by a Makefile that is not a kernel's", strings.Join(c.args, " "), p.called(c.dir)))
		}
	}
	slices.Sort(found.Unseen)
	found.Unseen = slices.Compact(found.Unseen)
	if line := p.made.makeInInstall(); line != "" {
		found.Unseen = append(found.Unseen, fmt.Sprintf("what %%install makes by %q", line))
	}
	calls = slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return c.tree == "" || c.kind == "outside" || c.kind == "other" })
	kind := "compile"
	if !slices.ContainsFunc(calls, func(c call) bool { return c.kind == kind }) {
		kind = "configure"
	}
	var names []string
	for _, c := range calls {
		if c.kind != kind {
			continue
		}
		for i, name := range p.Files {
			if !want[name][c.sums[i]] {
				return nil, p.not("%%build runs %q in %s, where %s is not the original's with the patch", strings.Join(c.args, " "), p.called(c.tree), name)
			}
		}
		if p.releases().spelled(c.uname) {
			return nil, p.not("the kernel that %%build makes by %q calls itself by the original's release: its version ends in %q, which must follow %%{release}", strings.Join(c.args, " "), c.uname)
		}
		if t := p.called(c.tree); !slices.Contains(names, t) {
			names = append(names, t)
			if below, err := filepath.Rel(p.Root.Inside(p.build()), c.tree); err == nil {
				trees = append(trees, below)
			}
		}
	}
	switch {
	case len(names) > 0 && kind == "compile":
		found.Trees, found.Compiled = names, true
		if failed != nil {
			found.Unseen = append(found.Unseen, "what %build would do after it stopped: "+lastWord(failed))
		}
		return trees, nil
	case failed != nil:
		found.Unseen = append(found.Unseen, "where %build compiles, as it stops before: "+lastWord(failed))
		return nil, nil
	}
	found.Unseen = append(found.Unseen, "where %build compiles, as it calls no make that would compile a kernel")
	return nil, p.endsIn(b.end, want)
}

// makeInInstall returns the first line of %install that may compile: the proof does not run
// %install, which would stop at the first file that %build did not make.
func (in Inputs) makeInInstall() string {
	for section, text := range in.Spec.Lines() {
		if section == "install" && makes.MatchString(text) && !strings.Contains(text, "install") {
			return strings.TrimSpace(text)
		}
	}
	return ""
}

func (p *proof) releases() releases {
	if p.made.origin == nil || p.Original.origin == nil {
		return releases{}
	}
	return releases{p.Original.origin.release, p.made.origin.release}
}

// lastWord is the last line that a program wrote before rpmbuild said that it failed.
func lastWord(err error) string {
	var ce *command.Error
	if !errors.As(err, &ce) || ce.ExitCode < 0 {
		return err.Error()
	}
	last := ce.Err.Error()
	for line := range strings.Lines(ce.Tail) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "error: Bad exit"):
			return last
		case line != "" && !strings.HasPrefix(line, "+") && !strings.HasPrefix(line, "Executing("):
			last = scriptName.ReplaceAllString(line, "")
		}
	}
	return last
}

// endsIn looks where %build was last, if it calls no make: what is there must hold the patch.
func (p *proof) endsIn(end string, want digests) error {
	below, err := filepath.Rel(p.Root.Inside(p.builds()), end)
	if end == "" || err != nil || !filepath.IsLocal(below) {
		return nil
	}
	for _, name := range p.Files {
		for dir := below; ; dir = filepath.Dir(dir) {
			if sum := digestOf(filepath.Join(p.builds(), dir, name)); sum != notThere {
				if !want[name][sum] {
					return p.not("%%build is in %s at its end, where %s is not the original's with the patch", p.called(end), name)
				}
				break
			}
			if dir == "." {
				break
			}
		}
	}
	return nil
}

// digestOf is what make.sh notes of a file. A link could lead out of the tree.
func digestOf(path string) string {
	i, err := os.Lstat(path)
	if err != nil || !i.Mode().IsRegular() {
		return notThere
	}
	sum, err := digest(path)
	if err != nil {
		return notThere
	}
	return hex.EncodeToString(sum[:])
}

// makes is a call of make that does more than install what is there.
var makes = regexp.MustCompile(`^[^#]*(\bg?make\s|%\{?(__make|make_build)\b|\$\{?MAKE\b)`)

// scriptName is how bash names the script of %build, whose name says nothing.
var scriptName = regexp.MustCompile(`^/\S*/rpm-tmp\.\w+: `)

// mayDependOn is what a package may do that makes it another one than the original's with the patch.
const mayDependOn = "on the release, on the number of patches, or on the spec's text"

// builtPatched runs %build of the original on the files as the patch makes them: what %build
// does may well depend on these.
func (p *proof) builtPatched(ctx context.Context, prepared *outcome) (*built, error) {
	trees := map[string]bool{}
	for name, e := range prepared.known {
		if dir, ok := p.inTree(name); ok && e.kept && (p.trees == nil || slices.Contains(p.trees, dir)) {
			trees[dir] = true
		}
	}
	for dir := range trees {
		patched, err := p.Apply(p.filesOf(prepared, dir))
		if err != nil {
			continue // another tree than the one that gets it
		}
		for _, file := range p.Files {
			if err := replace(filepath.Join(p.build(), dir, file), patched[file]); err != nil {
				return nil, err
			}
		}
	}
	return p.built(ctx, p.Original, prepared)
}

// replace puts a text in the place of a file, as patch does: links to the old one stay. nil
// removes it.
func replace(path string, text []byte) error {
	mode := fs.FileMode(0o644)
	if i, err := os.Lstat(path); err == nil {
		mode = i.Mode().Perm()
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if text == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, mode)
}

// sameBuild makes sure that %build does with the patch what it does without it, but for what
// it does otherwise each time. before and after are what %prep left.
func (p *proof) sameBuild(ctx context.Context, before, after *outcome, was, is *built, found *Proven) error {
	files := func(was, is *built) []string {
		return slices.DeleteFunc(p.differences(was.left, is.left).other, func(name string) bool {
			fromPrep := was.left.files[name] == before.files[name] && is.left.files[name] == after.files[name]
			return fromPrep || slices.Contains(found.Unsteady, name)
		})
	}
	if p.differently(was, is) == "" && len(files(was, is)) == 0 {
		return nil
	}
	// Now it is known which trees get the patch.
	repetition, err := p.repeated(ctx)
	if err != nil {
		return err
	}
	again := repetition.built
	differ := p.differently(again, is)
	if differ == "" && len(files(again, is)) == 0 {
		return nil
	}
	found.Unsteady = append(found.Unsteady, files(was, again)...)
	if list := files(again, is); len(list) > 0 {
		return p.not("%%build makes %s differently than with the original. Does it depend %s?", few(list), mayDependOn)
	}
	switch each := p.differently(was, again); {
	case differ == "":
	case each != "":
		found.Unseen = append(found.Unseen, "whether %build does the same as with the original, as it is never the same: the next time it "+each)
	default:
		return p.not("with the patch %%build %s. Does it depend %s?", differ, mayDependOn)
	}
	return nil
}

// differently says in which calls of make two builds differ, or where they stop.
func (p *proof) differently(was, is *built) string {
	if with, without := p.stopped(is), p.stopped(was); with != without {
		return with + ", and with the original it " + without
	}
	there, here := p.counted(was), p.counted(is)
	for _, call := range slices.Sorted(maps.Keys(there)) {
		if here[call] < there[call] {
			return "does not call " + call + ", which it does with the original"
		}
	}
	for _, call := range slices.Sorted(maps.Keys(here)) {
		if there[call] < here[call] {
			return "calls " + call + ", which it does not with the original"
		}
	}
	return ""
}

// counted are the calls of make, each with how often it is made.
func (p *proof) counted(b *built) map[string]int {
	calls := map[string]int{}
	for _, c := range b.calls {
		calls[string(p.unmarked(fmt.Appendf(nil, "%q in %s", strings.Join(c.args, " "), p.called(c.dir))))]++
	}
	return calls
}

func (p *proof) stopped(b *built) string {
	if b.failed == nil {
		return "ends well"
	}
	return "stops: " + string(p.unmarked([]byte(lastWord(b.failed))))
}
