// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/source"
	"ovzpatch/patches"
)

// checkpatchFiles are what the kernel's own style checker consists of. Kernels before
// 2.6.24 have none.
var checkpatchFiles = []string{"scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch"}

// checkpatch has the tree's own scripts/checkpatch.pl look at the patch and gives what it
// says, a line each. It is advice: nothing in it keeps a patch from fitting.
func (in *input) checkpatch(ctx context.Context) ([]string, error) {
	script, ok := in.files.Files[checkpatchFiles[0]]
	if !ok {
		return []string{"not run: the source has no scripts/checkpatch.pl"}, nil
	}
	if _, err := exec.LookPath("perl"); err != nil {
		return []string{"not run: perl is not installed"}, nil
	}
	dir, remove, err := scratch.New("", "checkpatch")
	if err != nil {
		return nil, fmt.Errorf("run checkpatch: %w", err)
	}
	defer remove()
	files := map[string][]byte{"checkpatch.pl": script.Data, in.name: in.port}
	for _, name := range checkpatchFiles[1:] {
		if f, ok := in.files.Files[name]; ok {
			files[filepath.Base(name)] = f.Data
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, fmt.Errorf("run checkpatch: %w", err)
		}
	}
	var out bytes.Buffer
	err = command.Run(ctx, command.Cmd{
		Args: []string{"perl", "checkpatch.pl", "--no-tree", "--no-signoff", "--terse", in.name},
		Dir:  dir, Stdout: &out,
	})
	var bad *command.Error
	switch {
	case err == nil:
	case ctx.Err() != nil || !errors.As(err, &bad):
		return nil, err
	case bad.ExitCode != 1: // it ends with 1 when it has something to say
		// That of old kernels is beyond today's perl; the patch is none the worse.
		why, _, _ := strings.Cut(strings.TrimSpace(bad.Tail), "\n")
		return []string{"not run: the source's own checkpatch.pl does not run here: " + why}, nil
	}
	if says := strings.TrimSpace(out.String()); says != "" {
		return strings.Split(says, "\n"), nil
	}
	return []string{"nothing to complain of"}, nil
}

// compileFlags ask for a trial compilation of what the patch touches.
type compileFlags struct {
	wanted bool
	build  buildFlags
}

func (f *compileFlags) register(c *cobra.Command) {
	c.Flags().BoolVar(&f.wanted, "compile", false, "also compile the C files that the patch touches, in a copy of the source")
	c.Flags().StringVar(&f.build.config, "config", "", "with --compile: kernel configuration (default: a small one for guests)")
	f.build.registerSpec(c)
	c.Flags().BoolVar(&f.build.compat, "compat", false, "with --compile: also apply what the line's old sources need for this machine's compiler")
}

// notCompiled is what is found where a trial compilation failed.
const notCompiled = "no"

// compile compiles the C files that the patch touches and says so.
func (in *input) compile(ctx context.Context, u job.Reporter, cacheDir string, f compileFlags) (string, error) {
	var objects []string
	for _, name := range in.touched() {
		if base, ok := strings.CutSuffix(name, ".c"); ok {
			objects = append(objects, base+".o")
		}
	}
	if len(objects) == 0 {
		return "nothing: the patch touches no C file", nil
	}
	arch, err := karch(f.build.target)
	if err != nil {
		return "", err
	}
	if err := (cache.Cache{Dir: cacheDir}).Check(); err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	dir, remove, err := scratch.New(cacheDir, "compile")
	if err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	defer remove()
	u.Say("copying the source")
	if err := in.copyTo(ctx, dir); err != nil {
		return "", err
	}
	if err := in.patchCopy(ctx, dir, f.build.compat); err != nil {
		return "", err
	}
	_, config, err := in.config(f.build, arch)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, ".config"), config, 0o666); err != nil {
		return "", fmt.Errorf("compile: %w", err)
	}
	u.Say("compiling %s", strings.Join(objects, ", "))
	for _, target := range [][]string{{"oldconfig"}, objects} {
		err := command.Run(ctx, command.Cmd{
			Args: append([]string{"make", "-C", dir, "ARCH=" + arch}, target...),
			// oldconfig asks what the configuration does not say; an empty line is the default.
			Stdin: enters{},
			Line:  func(l string) { u.Live("%s", l) },
		})
		u.Done()
		if err != nil {
			return "", fmt.Errorf("compile: %w", err)
		}
	}
	return strings.Join(objects, ", ") + " for " + arch, nil
}

// copyTo unpacks or copies the source into dir.
func (in *input) copyTo(ctx context.Context, dir string) error {
	args := []string{"tar", "-xf", in.source.Path, "-C", dir, "--strip-components=1"}
	switch in.source.Kind {
	case source.Tree:
		list, err := os.ReadDir(in.source.Path)
		if err != nil {
			return fmt.Errorf("compile: copy source: %w", err)
		}
		args = []string{"cp", "-a", "--reflink=auto", "-t", dir}
		for _, e := range list {
			// The history of a kernel is larger than the kernel.
			if e.Name() != ".git" {
				args = append(args, filepath.Join(in.source.Path, e.Name()))
			}
		}
	case source.RPM:
		return job.BadRequest(errors.New("compile: --compile takes a tarball or a tree; for a source RPM there is ovzpatch build"))
	}
	if err := command.Run(ctx, command.Cmd{Args: args}); err != nil {
		return fmt.Errorf("compile: copy source: %w", err)
	}
	return nil
}

// patchCopy applies the plan, and what the compiler needs, to a copy of the source.
func (in *input) patchCopy(ctx context.Context, dir string, compat bool) error {
	tree, err := patch.OpenTree(dir)
	if err != nil {
		return err
	}
	defer tree.Close()
	if err := tree.Apply(ctx, in.plan); err != nil {
		return err
	}
	if !compat {
		return nil
	}
	for _, c := range patches.Compat(in.line) {
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
