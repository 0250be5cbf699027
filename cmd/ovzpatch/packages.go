// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/launcher"
	"ovzpatch/internal/rpmfile"
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

// kernelPackage is a package with a kernel image, and its -devel package.
type kernelPackage struct{ path, devel string }

// kernels finds the packages with kernel images, debug kernels last.
func (b *kernelBuild) kernels(ctx context.Context) ([]kernelPackage, error) {
	var list, debug []kernelPackage
	for _, name := range b.Packages {
		path := filepath.Join(b.Dir, name)
		pkg, err := rpmfile.Open(ctx, path)
		if err != nil {
			return nil, err
		}
		pkg.Close()
		if !slices.ContainsFunc(pkg.Files, isImage) {
			continue
		}
		devel, err := findDevel(ctx, path)
		if err != nil {
			return nil, err
		}
		if strings.Contains(pkg.Name(), "debug") {
			debug = append(debug, kernelPackage{path, devel})
		} else {
			list = append(list, kernelPackage{path, devel})
		}
	}
	if list = append(list, debug...); len(list) == 0 {
		return nil, fmt.Errorf("no package holds a kernel image: %s", strings.Join(b.Packages, ", "))
	}
	return list, nil
}

// isImage tells the kernel image among a package's files.
func isImage(e rpmfile.Entry) bool {
	_, ok := kernel.ImageRelease(e.Name)
	return ok && e.Mode.IsRegular() && e.Flags&rpmfile.FileGhost == 0 && e.Size > 0
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
