// SPDX-License-Identifier: Apache-2.0

// Package kernelrpm opens kernel packages: what is in one, where its -devel package is, and
// the image and modules that a guest is booted from.
package kernelrpm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/rpmfile"
)

// Package is an open package. Its payload is read, and verified, only where that is asked for.
type Package struct {
	*rpmfile.File
	path string
}

// Open opens a package until it is closed.
func Open(ctx context.Context, path string) (*Package, error) {
	pkg, err := rpmfile.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Package{pkg, path}, nil
}

// Image is the name of the kernel image in the package, "" where there is none.
func (p *Package) Image() string {
	image := ""
	for _, f := range p.Files {
		if isImage(f) {
			image = f.Name
		}
	}
	return image
}

// isImage tells the kernel image among a package's files.
func isImage(e rpmfile.Entry) bool {
	_, ok := kernel.ImageRelease(e.Name)
	return ok && e.Mode.IsRegular() && e.Flags&rpmfile.FileGhost == 0 && e.Size > 0
}

// DevelNames are the file names that the -devel package of a kernel package may have:
// kernel-PAE-2.6.18-1 has kernel-PAE-devel-2.6.18-1, kernel-core has kernel-devel.
func (p *Package) DevelNames() []string {
	var files []string
	for _, name := range []string{p.Name(), strings.TrimSuffix(p.Name(), "-core")} {
		file := fmt.Sprintf("%s-devel-%s-%s.%s.rpm", name, p.Version(), p.Release(), p.Arch())
		if !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}

// Devel looks for the -devel package of a kernel package in the same directory.
func (p *Package) Devel() (string, error) {
	dir := filepath.Dir(p.path)
	names := p.DevelNames()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", job.BadRequest(fmt.Errorf("no -devel package beside the kernel (looked for %s), and modules are built against it: build it, or name it with --devel", filepath.Join(dir, names[0])))
}

// FindDevel is Devel for a package that is not open.
func FindDevel(ctx context.Context, path string) (string, error) {
	p, err := Open(ctx, path)
	if err != nil {
		return "", err
	}
	defer p.Close()
	if err := p.bootable(); err != nil {
		return "", err
	}
	return p.Devel()
}

// bootable refuses what is named in a kernel package's place.
func (p *Package) bootable() error {
	switch {
	case p.Source:
		return job.BadRequest(fmt.Errorf("%s is a source package: build it first with ovzpatch build", p.path))
	case p.Image() == "":
		return job.BadRequest(fmt.Errorf("%s holds no kernel image: is it the kernel package? On newer systems that is kernel-core", p.path))
	}
	return nil
}

// Pair is a package with a kernel image, and its -devel package or an archive of what that would hold, by
// their paths. A build may make none of the latter: "".
type Pair struct{ Kernel, Devel string }

// Find finds the packages with kernel images among those of a directory, debug kernels last.
// There is at least one.
func Find(ctx context.Context, dir string, names []string) ([]Pair, error) {
	var list, debug []Pair
	for _, name := range names {
		pair, isDebug, err := look(ctx, filepath.Join(dir, name))
		switch {
		case err != nil:
			return nil, err
		case pair.Kernel == "":
		case isDebug:
			debug = append(debug, pair)
		default:
			list = append(list, pair)
		}
	}
	if list = append(list, debug...); len(list) == 0 {
		return nil, fmt.Errorf("no package holds a kernel image: %s", strings.Join(names, ", "))
	}
	return list, nil
}

// look is Find for one package; the pair is empty where it holds no kernel.
func look(ctx context.Context, path string) (pair Pair, debug bool, err error) {
	p, err := Open(ctx, path)
	if err != nil {
		return Pair{}, false, err
	}
	defer p.Close()
	if p.Image() == "" {
		return Pair{}, false, nil
	}
	devel, err := p.Devel()
	if err != nil {
		devel = "" // only who boots the kernel needs it
	}
	return Pair{path, devel}, strings.Contains(p.Name(), "debug"), nil
}
