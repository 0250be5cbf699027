// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/command"
)

// Proof is what shows that a package carries a patch.
type Proof struct {
	PatchFile     string // bare name of the patch, which applies with -p1
	With, Without []string
	Dir           string // where the tree is unpacked to, and removed from
}

// Proven is where the patch was found.
type Proven struct {
	Tree     string        // the directory that %build works in, below the build directory
	Duration time.Duration // of unpacking and of the package's own %prep
}

// NotProven tells that %prep came to its end and the patch is not where it must be.
type NotProven struct{ Spec, Reason string }

func (e *NotProven) Error() string {
	return fmt.Sprintf("prove spec %s: %s; add the patch by hand, or use --spec=replace", e.Spec, e.Reason)
}

// Prove runs the package's own %prep, in a private directory, and looks for what the patch
// adds: it must be once in the tree that %build works in. %build is begun to learn where
// that is, and ends before its first command that is more than a change of directory. It
// runs what the package's author wrote, as any build does.
func (in Inputs) Prove(ctx context.Context, p Proof) (Proven, error) {
	fail := func(err error) (Proven, error) { return Proven{}, fmt.Errorf("prove spec %s: %w", in.SpecName, err) }
	begin := time.Now()
	if err := in.check(); err != nil {
		return fail(err)
	}
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return fail(err)
	}
	top, err := os.MkdirTemp(dir, "proof-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(top)
	if top, err = filepath.EvalSymlinks(top); err != nil {
		return fail(err)
	}
	where := filepath.Join(top, "where")
	s, err := parseSpec(in.SpecName, in.Spec)
	if err != nil {
		return Proven{}, err
	}
	added := addedText(in.Texts[p.PatchFile])
	if len(added) == 0 {
		return fail(fmt.Errorf("%s adds nothing that could be looked for", p.PatchFile))
	}
	if err := s.stopBuild(where); err != nil {
		return Proven{}, err
	}
	in.Spec = s.bytes()
	if err := in.layOut(ctx, top); err != nil {
		return fail(err)
	}
	args := []string{"rpmbuild", "-bc", "--nodeps"}
	for _, d := range slices.Concat(privateMacros(top), in.Defines) {
		args = append(args, "--define", d)
	}
	if in.Target != "" {
		args = append(args, "--target", in.Target)
	}
	for _, w := range p.With {
		args = append(args, "--with", w)
	}
	for _, w := range p.Without {
		args = append(args, "--without", w)
	}
	err = command.Run(ctx, command.Cmd{Args: append(args, filepath.Join("SPECS", in.SpecName)), Dir: top, Env: environment(top, in.Date), Clean: true, Line: in.Line})
	if err != nil {
		return fail(fmt.Errorf("%%prep did not come to its end: %w", err))
	}
	build := filepath.Join(top, "BUILD")
	text, err := os.ReadFile(where)
	tree := strings.TrimSuffix(string(text), "\n")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		tree = build
	case err != nil:
		return fail(err)
	}
	below, err := filepath.Rel(build, tree)
	if err != nil || below == ".." || strings.HasPrefix(below, "../") {
		return Proven{}, &NotProven{in.SpecName, "%build begins outside of the build directory"}
	}
	for name, blocks := range added {
		if err := in.holds(ctx, build, below, name, blocks); err != nil {
			return Proven{}, err
		}
	}
	return Proven{Tree: below, Duration: time.Since(begin)}, nil
}

// holds looks for what is added to one file. Where the file is not in the directory in
// which %build begins, every one of its name below that must be right.
func (in Inputs) holds(ctx context.Context, build, below, name string, blocks []string) error {
	files := []string{filepath.Join(build, below, name)}
	if _, err := os.Lstat(files[0]); err != nil {
		files = nil
		err := filepath.WalkDir(filepath.Join(build, below), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, "/"+name) {
				files = append(files, path)
			}
			return errors.Join(err, ctx.Err())
		})
		if err != nil {
			return fmt.Errorf("prove spec %s: %w", in.SpecName, err)
		}
	}
	if len(files) == 0 {
		return &NotProven{in.SpecName, fmt.Sprintf("%%build begins in %s, and %s is not there", called(below), name)}
	}
	for _, file := range files {
		// A link could lead out of the tree.
		if i, err := os.Lstat(file); err != nil || !i.Mode().IsRegular() {
			return &NotProven{in.SpecName, fmt.Sprintf("%s of %s is no plain file", name, called(below))}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("prove spec %s: %w", in.SpecName, err)
		}
		at, _ := filepath.Rel(build, file)
		text = slices.Concat([]byte("\n"), text, []byte("\n"))
		for i, block := range blocks {
			// One that may be in the file without us, as an include, is not counted.
			if n := bytes.Count(text, []byte("\n"+block)); n == 0 || i == 0 && n > 1 {
				return &NotProven{in.SpecName, fmt.Sprintf("after %%prep, what the patch adds is %d times in %s, where %%build begins in %s", n, at, called(below))}
			}
		}
	}
	return nil
}

// called names a directory below the build directory.
func called(below string) string {
	if below == "." {
		return "the build directory"
	}
	return below
}

// addedText is what a patch adds to each file: the runs of new lines, the longest first.
func addedText(patch []byte) map[string][]string {
	added := map[string][]string{}
	name, run := "", ""
	end := func() {
		if run != "" && name != "" {
			added[name] = append(added[name], run)
		}
		run = ""
	}
	for line := range strings.Lines(string(patch)) {
		switch {
		case strings.HasPrefix(line, "+++ "):
			end()
			file, _, _ := strings.Cut(strings.TrimSpace(line[4:]), "\t")
			_, name, _ = strings.Cut(file, "/")
		case strings.HasPrefix(line, "+"):
			run += strings.TrimSuffix(strings.TrimSuffix(line[1:], "\n"), "\r") + "\n"
		default:
			end()
		}
	}
	end()
	for name := range added {
		slices.SortStableFunc(added[name], func(a, b string) int { return len(b) - len(a) })
	}
	return added
}

// early are the commands with which %build gets to its directory.
var early = regexp.MustCompile(`^\s*(#.*|(cd|pushd|export|set|ulimit|echo)\s[^;&|` + "`" + `]*|\w+=[^ ;&|` + "`" + `]*|(mkdir|rm)\s[^;&|]*(RPM_BUILD_ROOT|%\{buildroot\})[^;&|]*|%(if|else|elif|endif|define|global|undefine).*)?$`)

// stopBuild makes %build write down its directory and end, before the first command that
// does more than getting there; in every branch of rpm's conditions.
func (s *spec) stopBuild(where string) error {
	stop := fmt.Sprintf("pwd -P > '%s'; exit 0", strings.ReplaceAll(where, "%", "%%"))
	free, err := s.between("build")
	if err != nil {
		return err
	}
	last := -1
	for i, l := range s.lines {
		if l.section != "build" {
			continue
		}
		last = i
		if sectionStart.MatchString(l.text) && !l.macro {
			continue
		}
		if !free[i] || shellDefine.MatchString(l.text) || early.MatchString(l.text) || definition.MatchString(l.text) {
			continue
		}
		s.insert(i, stop)
		if len(l.within) == 0 {
			return nil
		}
	}
	if last >= 0 {
		s.insert(last+1, stop)
	}
	return nil
}
