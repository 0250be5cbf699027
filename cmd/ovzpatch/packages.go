// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/launcher"
)

// kernelBuild is one finished build. It is kept beside the packages as build.json.
type kernelBuild struct {
	Dir      string   `json:"-"`
	Patched  bool     `json:"patched"`
	Packages []string `json:"packages"` // file names in Dir
	Source   string   `json:"source"`
	Compiled int      `json:"compiled"`
	Warnings int      `json:"warnings"`
	Seconds  float64  `json:"seconds"`
	// Launcher is what the compiler launcher did, nil without one.
	Launcher *launcher.Report `json:"launcher,omitempty"`
}

// kernels finds the packages with kernel images, debug kernels last.
func (b *kernelBuild) kernels(ctx context.Context) ([]kernelrpm.Pair, error) {
	return kernelrpm.Find(ctx, b.Dir, b.Packages)
}

// log is where the build's full output is.
func (b *kernelBuild) log() string { return filepath.Join(b.Dir, "build.log") }

const buildManifest = "build.json"

// moveTo takes the packages and the log out of the topdir and notes what they are.
func (b *kernelBuild) moveTo(dir string) error {
	move := func(path string) (string, error) {
		name := filepath.Base(path)
		if os.Rename(path, filepath.Join(dir, name)) == nil {
			return name, nil
		}
		// The root directory of --root may lie on another filesystem.
		return name, atomicfile.Copy(path, filepath.Join(dir, name))
	}
	var err error
	for i, p := range b.Packages {
		if b.Packages[i], err = move(p); err != nil {
			return fmt.Errorf("keep package: %w", err)
		}
	}
	if b.Source, err = move(b.Source); err != nil {
		return fmt.Errorf("keep source package: %w", err)
	}
	if _, err := move(filepath.Join(b.Dir, "build.log")); err != nil {
		return fmt.Errorf("keep log: %w", err)
	}
	note, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, buildManifest), append(note, '\n'))
}

func readBuild(dir string) (*kernelBuild, error) {
	data, err := os.ReadFile(filepath.Join(dir, buildManifest))
	if err != nil {
		return nil, err
	}
	b := &kernelBuild{Dir: dir}
	return b, json.Unmarshal(data, b)
}

// copyOut puts a build's packages and log where the user wants them.
func (b *kernelBuild) copyOut(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write packages: %w", err)
	}
	for _, name := range append(slices.Clone(b.Packages), b.Source) {
		if err := atomicfile.Copy(filepath.Join(b.Dir, name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("write packages: %w", err)
		}
	}
	return nil
}

// buildPackages builds a recipe, or takes it from the cache, and looks into what came out.
func (a *app) buildPackages(ctx context.Context, u job.Reporter, r *recipe, f buildFlags) (*kernelBuild, []*kernelrpm.Contents, error) {
	b, err := a.buildKernel(ctx, u, r, f)
	if err != nil {
		return nil, nil, err
	}
	list, err := b.lookIntoAll(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	u.Say("all digests of the packages are right:")
	for _, c := range list {
		if c.Unread != "" {
			u.Say("NOT checked: %s: %s", c.File, c.Unread)
		}
	}
	return b, list, nil
}

// lookIntoAll reads the packages of a build. A kernel that does not hold the patch that
// its build says it has, or the other way round, is an error: a switch of the spec may
// have left the patch out.
func (b *kernelBuild) lookIntoAll(ctx context.Context, r *recipe) ([]*kernelrpm.Contents, error) {
	var list []*kernelrpm.Contents
	for _, name := range append(slices.Clone(b.Packages), b.Source) {
		c, err := b.lookInto(ctx, name, r)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if !slices.ContainsFunc(list, func(c *kernelrpm.Contents) bool { return c.Kernel != "" }) {
		return nil, fmt.Errorf("look into packages: the build made no kernel: none of %s holds an image (/boot/vmlinuz-* or /lib/modules/*/vmlinuz): does the spec build one for this architecture and these switches? See %s",
			strings.Join(b.Packages, ", "), b.log())
	}
	return list, nil
}

// lookInto reads one of the packages.
func (b *kernelBuild) lookInto(ctx context.Context, name string, r *recipe) (*kernelrpm.Contents, error) {
	p, err := kernelrpm.Open(ctx, filepath.Join(b.Dir, name))
	if err != nil {
		return nil, err
	}
	defer p.Close()
	c, err := p.Look(ctx, "")
	if err != nil {
		return nil, err
	}
	if err := b.checkReadable(name, p, r.reader); err != nil {
		return nil, err
	}
	if bytes.Contains(r.Texts[r.port], []byte(gate.MessageHead)) && c.Patched != nil && *c.Patched != b.Patched {
		return nil, fmt.Errorf("look into packages: the kernel in %s was built %s the patch, but its message is %s; see %s",
			name, r.label(), map[bool]string{true: "there", false: "not there: does the spec apply it?"}[*c.Patched], b.log())
	}
	return c, nil
}
