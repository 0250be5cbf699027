// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"context"
	_ "embed"
	"encoding/hex"
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

//go:embed make.sh
var makeScript string

// standIns are the programs that make.sh stands in for.
var standIns = []string{"gmake", "cc", "gcc", "clang", "ld", "ld.bfd", "ld.lld", "as"}

// buildLimit is for a %build, or a %conf, in which nothing is compiled.
const buildLimit = 5 * time.Minute

// call is one call of make that %build made.
type call struct {
	kind  string // compile, configure, outside: of a module of its own, or other: by a Makefile that is not a kernel's
	dir   string
	tree  string   // the kernel's that dir is in, "" for none
	uname string   // what the tree and the call add to the kernel's version
	sums  []string // of the files that the patch changes
	args  []string
}

// compiles runs %build, with a make that compiles nothing, and makes sure that each tree in
// which it should compile holds the patch at that time.
func (p *proof) compiles(ctx context.Context, want digests, found *Proven) error {
	calls, end, failed, err := p.runBuild(ctx)
	if err != nil {
		return err
	}
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
	calls = slices.DeleteFunc(calls, func(c call) bool { return c.tree == "" || c.kind == "outside" || c.kind == "other" })
	kind := "compile"
	if !slices.ContainsFunc(calls, func(c call) bool { return c.kind == kind }) {
		kind = "configure"
	}
	var trees []string
	for _, c := range calls {
		if c.kind != kind {
			continue
		}
		for i, name := range p.Files {
			if !want[name][c.sums[i]] {
				return p.not("%%build runs %q in %s, where %s is not the original's with the patch", strings.Join(c.args, " "), p.called(c.tree), name)
			}
		}
		if p.releases().spelled(c.uname) {
			return p.not("the kernel that %%build makes by %q calls itself by the original's release: its version ends in %q, which must follow %%{release}", strings.Join(c.args, " "), c.uname)
		}
		if t := p.called(c.tree); !slices.Contains(trees, t) {
			trees = append(trees, t)
		}
	}
	switch {
	case len(trees) > 0 && kind == "compile":
		found.Trees, found.Compiled = trees, true
		if failed != nil {
			found.Unseen = append(found.Unseen, "what %build would do after it stopped: "+lastWord(failed))
		}
		return nil
	case failed != nil:
		found.Unseen = append(found.Unseen, "where %build compiles, as it stops before: "+lastWord(failed))
		return nil
	}
	found.Unseen = append(found.Unseen, "where %build compiles, as it calls no make that would compile a kernel")
	return p.endsIn(end, want)
}

// makes is a call of make that does more than install what is there.
var makes = regexp.MustCompile(`^[^#]*(\bg?make\s|%\{?(__make|make_build)\b|\$\{?MAKE\b)`)

// makeInInstall returns the first line of %install that may compile: the proof does not run
// %install, which would stop at the first file that %build did not make.
func (in Inputs) makeInInstall() string {
	s, err := parseSpec(in.SpecName, in.Spec)
	if err != nil {
		return ""
	}
	for _, l := range s.lines {
		if l.section == "install" && makes.MatchString(l.text) && !strings.Contains(l.text, "install") {
			return strings.TrimSpace(l.text)
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
		case line != "" && !strings.HasPrefix(line, "+"):
			last = scriptName.ReplaceAllString(line, "")
		}
	}
	return last
}

// scriptName is how bash names the script of %build, whose name says nothing.
var scriptName = regexp.MustCompile(`^/\S*/rpm-tmp\.\w+: `)

// called names a directory as people do: from the build directory, if rpmbuild unpacked it.
func (p *proof) called(dir string) string {
	if below, err := filepath.Rel(p.Root.Inside(p.builds()), dir); err != nil || !filepath.IsLocal(below) {
		return dir
	}
	from, err := filepath.Rel(p.Root.Inside(p.build()), dir)
	if err != nil {
		return dir
	}
	return called(from)
}

// runBuild runs %conf and %build, and returns the calls of make, and the directory in which
// %build ends, if it said so.
func (p *proof) runBuild(ctx context.Context) (calls []call, end string, failed, err error) {
	if err := p.standIn(); err != nil {
		return nil, "", nil, err
	}
	inside := p.Root.Inside(p.top)
	bin := filepath.Join(inside, "bin")
	// By --short-circuit, %build alone would run without the %conf before it.
	for _, stage := range []string{"-bf", "-bc"} {
		c := command.Cmd{
			Args: []string{stage, "--short-circuit"}, Limit: buildLimit,
			Env: []string{"BASH_ENV=" + filepath.Join(inside, "env"), "MAKE=" + filepath.Join(bin, "make")},
		}
		failed = p.rpmbuild(ctx, p.made, c, "__make "+filepath.Join(bin, "make"))
		if ctx.Err() != nil {
			return nil, "", nil, context.Cause(ctx)
		}
		if failed != nil && !noConf(failed) {
			break
		}
	}
	text, err := os.ReadFile(filepath.Join(p.top, "end"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil, err
	}
	calls, err = p.calls()
	return calls, strings.TrimSuffix(string(text), "\n"), failed, err
}

// noConf tells the answer of an rpm before 4.18, which knows no %conf.
func noConf(err error) bool {
	var ce *command.Error
	return errors.As(err, &ce) && strings.Contains(ce.Tail, "rpmbuild: -bf: unknown option")
}

// standIn writes what stands in for make: in PATH, and for bash, which runs %build, by the
// paths that make may be called by.
func (p *proof) standIn() error {
	for _, dir := range []string{"bin", "calls"} {
		if err := os.Mkdir(filepath.Join(p.top, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(p.top, "bin", "make"), []byte(makeScript), 0o755); err != nil {
		return err
	}
	for _, name := range standIns {
		if err := os.Symlink("make", filepath.Join(p.top, "bin", name)); err != nil {
			return err
		}
	}
	inside := p.Root.Inside(p.top)
	var env strings.Builder
	env.WriteString("unset MAKELEVEL MAKEFLAGS\n")
	for _, dir := range []string{"", "/bin/", "/usr/bin/", "/usr/local/bin/"} {
		for _, name := range []string{"make", "gmake"} {
			env.WriteString(fmt.Sprintf("%s%s() { '%s/bin/%s' \"$@\"; }\n", dir, name, inside, name))
		}
	}
	// The first shell is that of %build itself.
	env.WriteString(fmt.Sprintf("[ -n \"${OVZPATCH_PROOF-}\" ] || { export OVZPATCH_PROOF=$$ PATH='%[1]s/bin':$PATH; trap 'pwd -P >\"%[1]s/end\"' EXIT; }\n", inside))
	return errors.Join(
		os.WriteFile(filepath.Join(p.top, "env"), []byte(env.String()), 0o644),
		os.WriteFile(filepath.Join(p.top, "files"), []byte(strings.Join(p.Files, "\n")+"\n"), 0o644),
	)
}

// calls reads what make.sh noted.
func (p *proof) calls() ([]call, error) {
	dir := filepath.Join(p.top, "calls")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var calls []call
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".new") {
			continue // its writer was ended with the rest
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		f := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		n := 4 + len(p.Files)
		if len(f) <= n {
			return nil, fmt.Errorf("the make of the proof noted %q", text)
		}
		calls = append(calls, call{kind: f[0], dir: f[1], tree: f[2], uname: f[3], sums: f[4:n], args: f[n:]})
	}
	return calls, nil
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
