// SPDX-License-Identifier: Apache-2.0

package build

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
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/launcher"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/rpmfile"
)

// Result is one finished build. It is kept beside the packages as build.json.
type Result struct {
	Dir      string   `json:"-"`
	Patched  bool     `json:"patched"`
	Packages []string `json:"packages"` // file names in Dir, without the source package
	Source   string   `json:"source"`   // that, "" where nobody asked for it
	// Devel is the archive that takes the place of the -devel package, "" where there is that.
	Devel    string  `json:"devel,omitempty"`
	Compiled int     `json:"compiled"`
	Warnings int     `json:"warnings"`
	Seconds  float64 `json:"seconds"`
	// Launcher is what the compiler launcher did, nil without one.
	Launcher *launcher.Report `json:"launcher,omitempty"`
}

// Files are the names of all packages in Dir, the source package last.
func (b *Result) Files() []string {
	if b.Source == "" {
		return b.Packages
	}
	return append(slices.Clone(b.Packages), b.Source)
}

// Kernels finds the packages with kernel images, debug kernels last.
func (b *Result) Kernels(ctx context.Context) ([]kernelrpm.Pair, error) {
	kernels, err := kernelrpm.Find(ctx, b.Dir, b.Packages)
	if err == nil && b.Devel != "" { // our spec makes one kernel
		kernels[0].Devel = filepath.Join(b.Dir, b.Devel)
	}
	return kernels, err
}

// Log is where the build's full output is.
func (b *Result) Log() string { return filepath.Join(b.Dir, "build.log") }

const buildManifest = "build.json"

// moveTo takes the packages and the log out of the topdir and notes what they are.
func (b *Result) moveTo(dir string) error {
	var err error
	for i, p := range b.Packages {
		if b.Packages[i], err = move(p, dir); err != nil {
			return fmt.Errorf("keep package: %w", err)
		}
	}
	if b.Source != "" {
		if b.Source, err = move(b.Source, dir); err != nil {
			return fmt.Errorf("keep source package: %w", err)
		}
	}
	if b.Devel != "" {
		if b.Devel, err = move(b.Devel, dir); err != nil {
			return fmt.Errorf("keep what the probe is compiled against: %w", err)
		}
	}
	if _, err := move(filepath.Join(b.Dir, "build.log"), dir); err != nil {
		return fmt.Errorf("keep log: %w", err)
	}
	return b.write(dir)
}

// move moves a file into a directory, and returns its name.
func move(path, dir string) (string, error) {
	name := filepath.Base(path)
	if os.Rename(path, filepath.Join(dir, name)) == nil {
		return name, nil
	}
	// The root directory of --root may lie on another filesystem.
	return name, atomicfile.Copy(path, filepath.Join(dir, name))
}

// write notes in a directory what the packages there are.
func (b *Result) write(dir string) error {
	note, err := b.note()
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, buildManifest), note)
}

func (b *Result) note() ([]byte, error) {
	note, err := json.MarshalIndent(b, "", "  ")
	return append(note, '\n'), err
}

func readBuild(dir string) (*Result, error) {
	data, err := plainfile.Read(filepath.Join(dir, buildManifest))
	if err != nil {
		return nil, err
	}
	b := &Result{Dir: dir}
	return b, json.Unmarshal(data, b)
}

// CopyOut puts a build's packages and log where the user wants them.
func (b *Result) CopyOut(dir string) error {
	undo, err := atomicfile.MakeDir(dir)
	if err != nil {
		return fmt.Errorf("write packages: %w; all of them are in %s", err, b.Dir)
	}
	for _, name := range b.Files() {
		if err := atomicfile.Copy(filepath.Join(b.Dir, name), filepath.Join(dir, name)); err != nil {
			undo()
			return fmt.Errorf("write packages: %w; all of them are in %s", err, b.Dir)
		}
	}
	return nil
}

// lookIntoAll reads the packages of a build. A kernel that does not hold the patch that
// its build says it has, or the other way round, is an error: a switch of the spec may
// have left the patch out.
func (b *Result) lookIntoAll(ctx context.Context, r *recipe.Recipe) ([]*kernelrpm.Contents, error) {
	var list []*kernelrpm.Contents
	for _, name := range b.Files() {
		c, err := b.lookInto(ctx, name, r)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if !slices.ContainsFunc(list, func(c *kernelrpm.Contents) bool { return c.Kernel != "" }) {
		return nil, fmt.Errorf("look into packages: the build made no kernel: none of %s holds an image (/boot/vmlinuz-* or /lib/modules/*/vmlinuz): does the spec build one for this architecture and these switches? See %s",
			strings.Join(b.Packages, ", "), b.Log())
	}
	return list, nil
}

// lookInto reads one of the packages.
func (b *Result) lookInto(ctx context.Context, name string, r *recipe.Recipe) (*kernelrpm.Contents, error) {
	p, err := kernelrpm.Open(ctx, filepath.Join(b.Dir, name))
	if err != nil {
		return nil, err
	}
	defer p.Close()
	c, err := p.Look(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", name, err)
	}
	if err := b.checkReadable(name, p, r.Reader); err != nil {
		return nil, err
	}
	if bytes.Contains(r.Texts[r.Port], []byte(gate.MessageHead)) && c.Patched != nil && *c.Patched != b.Patched {
		return nil, fmt.Errorf("look into packages: the kernel in %s was built %s the patch, but its message is %s; see %s",
			name, r.Label(), map[bool]string{true: "there", false: "not there: does the spec apply it?"}[*c.Patched], b.Log())
	}
	return c, nil
}

// checkReadable refuses what the systems that the kernel is for could not install.
func (b *Result) checkReadable(name string, p *kernelrpm.Package, by rpmfile.Reader) error {
	if reasons := p.Unreadable(by); reasons != nil {
		return fmt.Errorf("check package %s: rpm %s of %s, which the kernel is for, does not read it: %s; does the spec or a --define set _rpmformat, _binary_payload or _binary_filedigest_algorithm? See %s",
			filepath.Join(b.Dir, name), by.Version, by.System, strings.Join(reasons, "; "), b.Log())
	}
	return nil
}
