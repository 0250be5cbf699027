// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/source"
	"ovzpatch/patches"
	"ovzpatch/specs"
)

// NotCompiled is what Findings.Compiled says where a trial compilation failed.
const NotCompiled = "no"

// Trial says how the files that a patch touches are compiled, to see whether they do.
type Trial struct {
	Dir    string // where the copy of the source goes
	Config string // kernel configuration; "" for a small one for guests
	Target string
	Compat bool // also apply what the line's old sources need for this machine's compiler
	Report job.Reporter
}

// compile compiles the C files that the patch touches, in a copy of the source, and says which.
func (f *Fit) compile(ctx context.Context, t Trial) (string, error) {
	var objects []string
	for _, name := range f.Touched() {
		if base, ok := strings.CutSuffix(name, ".c"); ok {
			objects = append(objects, base+".o")
		}
	}
	if len(objects) == 0 {
		return "nothing: the patch touches no C file", nil
	}
	arch, err := kernel.Arch(t.Target)
	if err != nil {
		return "", err
	}
	if err := (cache.Cache{Dir: t.Dir}).Check(); err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	if err := os.MkdirAll(t.Dir, 0o755); err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	dir, remove, err := scratch.New(t.Dir, "compile")
	if err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	defer remove()
	t.Report.Say("copying the source")
	if err := f.copyTo(ctx, dir); err != nil {
		return "", err
	}
	if err := f.patchCopy(ctx, dir, t.Compat); err != nil {
		return "", err
	}
	_, config, err := f.Config(t.Config, arch)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, ".config"), config, 0o666); err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	t.Report.Say("compiling %s", strings.Join(objects, ", "))
	if err := t.make(ctx, dir, arch, objects); err != nil {
		return "", err
	}
	return strings.Join(objects, ", ") + " for " + arch, nil
}

// make completes the configuration and compiles the objects.
func (t Trial) make(ctx context.Context, dir, arch string, objects []string) error {
	for _, target := range [][]string{{"oldconfig"}, objects} {
		err := command.Run(ctx, command.Cmd{
			Args: append([]string{"make", "-C", dir, "ARCH=" + arch}, target...),
			// oldconfig asks what the configuration does not say; an empty line is the default.
			Stdin: enters{},
			Line:  func(l string) { t.Report.Live("%s", l) },
		})
		t.Report.Done()
		if err != nil {
			return fmt.Errorf("compile: %w", err)
		}
	}
	return nil
}

// Config is a configuration that the user gave, or the small one for the line, and what it is
// called.
func (f *Fit) Config(path, arch string) (name string, data []byte, err error) {
	if path == "" {
		return specs.GuestConfig(f.Line, arch)
	}
	if data, err = os.ReadFile(path); err != nil {
		return "", nil, fmt.Errorf("read configuration: %w", err)
	}
	return "kernel-" + arch + ".config", data, nil
}

// copyTo unpacks or copies the source into dir.
func (f *Fit) copyTo(ctx context.Context, dir string) error {
	args := []string{"tar", "-xf", f.Source.Path, "-C", dir, "--strip-components=1"}
	switch f.Source.Kind {
	case source.Tree:
		list, err := os.ReadDir(f.Source.Path)
		if err != nil {
			return fmt.Errorf("compile: copy source: %w", err)
		}
		args = []string{"cp", "-a", "--reflink=auto", "-t", dir}
		for _, e := range list {
			// The history of a kernel is larger than the kernel.
			if e.Name() != ".git" {
				args = append(args, filepath.Join(f.Source.Path, e.Name()))
			}
		}
	case source.RPM:
		return job.BadRequest(errors.New("compile: --compile takes a tarball or a tree; for a source RPM use ovzpatch build"))
	}
	if err := command.Run(ctx, command.Cmd{Args: args}); err != nil {
		return fmt.Errorf("compile: copy source: %w", err)
	}
	return nil
}

// patchCopy applies the plan, and what the compiler needs, to a copy of the source.
func (f *Fit) patchCopy(ctx context.Context, dir string, compat bool) error {
	tree, err := patch.OpenTree(dir)
	if err != nil {
		return err
	}
	defer tree.Close()
	if err := tree.Apply(ctx, f.Plan); err != nil {
		return err
	}
	if !compat {
		return nil
	}
	for _, c := range patches.Compat(f.Line) {
		p, err := patch.Parse(c.Name, c.Data)
		if err != nil {
			return err
		}
		plan, err := patch.NewPlan(p, tree.File, patch.Options{Strip: -1})
		if err != nil {
			return err
		}
		if err := tree.Apply(ctx, plan); err != nil {
			return err
		}
	}
	return nil
}

// enters is an endless row of empty lines.
type enters struct{}

func (enters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}
