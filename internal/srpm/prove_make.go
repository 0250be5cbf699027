// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ovzpatch/internal/command"
	"ovzpatch/internal/plainfile"
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

// built is what %conf and %build do, with a make that compiles nothing.
type built struct {
	calls  []call
	end    string // the directory in which %build ends, if it said so
	failed error
	left   *outcome
}

// built runs %conf and %build of a package after its %prep, which left what is given.
func (p *proof) built(ctx context.Context, in Inputs, prepared *outcome) (*built, error) {
	if err := p.standIn(); err != nil {
		return nil, err
	}
	b := &built{}
	inside := p.Root.Inside(p.top)
	bin := filepath.Join(inside, "bin")
	// By --short-circuit, %build alone would run without the %conf before it.
	for _, stage := range []string{"-bf", "-bc"} {
		c := command.Cmd{
			Args: []string{stage, "--short-circuit"}, Limit: buildLimit,
			Env: []string{"BASH_ENV=" + filepath.Join(inside, "env"), "MAKE=" + filepath.Join(bin, "make")},
		}
		b.failed = p.rpmbuild(ctx, in, c, "__make "+filepath.Join(bin, "make"))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if b.failed != nil && !noConf(b.failed) {
			break
		}
	}
	text, err := plainfile.Read(filepath.Join(p.top, "end"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b.end = strings.TrimSuffix(string(text), "\n")
	if b.calls, err = p.calls(); err != nil {
		return nil, err
	}
	b.left, err = p.read(ctx, prepared)
	return b, err
}

// noConf tells the answer of an rpm before 4.18, which knows no %conf.
func noConf(err error) bool {
	var ce *command.Error
	return errors.As(err, &ce) && strings.Contains(ce.Tail, "rpmbuild: -bf: unknown option")
}

// standIn writes what stands in for make: in PATH, and for bash, which runs %build, by the
// paths that make may be called by.
func (p *proof) standIn() error {
	// One of a build before this one has its own notes.
	for _, name := range []string{"bin", "calls", "end"} {
		if err := os.RemoveAll(filepath.Join(p.top, name)); err != nil {
			return err
		}
	}
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
		text, err := plainfile.Read(filepath.Join(dir, e.Name()))
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
