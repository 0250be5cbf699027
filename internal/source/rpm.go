// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/rpmfile"
)

// ErrNoTarball means that it is not clear which tarball of a source RPM is the kernel's own.
var ErrNoTarball = errors.New("it is not clear which of its tarballs is the kernel's")

// kernelTarball matches how distributions name the kernel's own tarball.
var kernelTarball = regexp.MustCompile(`^(linux|kernel|vzkernel|ovzkernel)(-.*)?\.(tar(\.\w+)?|tgz|tbz2?|txz)$`)

// anyTarball matches any tarball, which may be the kernel's under another name.
var anyTarball = regexp.MustCompile(`\.(tar(\.\w+)?|tgz|tbz2?|txz)$`)

// kernelMakefile recognizes a kernel's top Makefile.
var kernelMakefile = regexp.MustCompile(`(?m)^VERSION\s*=.*\n(.*\n)?PATCHLEVEL\s*=`)

// Package is an unpacked source RPM.
type Package struct {
	Dir     string        // where its files are
	Tarball *Source       // the kernel's own
	Spec    string        // bare name of its spec
	Files   []string      // bare names of all its files
	RPM     *rpmfile.File // what else it says about itself
}

// Unpack unpacks a source RPM into dir and finds the kernel's tarball and the spec in it. With
// a name, that is the tarball.
func (s *Source) Unpack(ctx context.Context, dir, tarball string) (*Package, error) {
	pkg, err := s.RPM(ctx)
	if err != nil {
		return nil, err
	}
	if !pkg.Source {
		return nil, fmt.Errorf("read source %s: this is a binary package: %w; use the source RPM from which it was built, %s", s.Path, ErrUnknown, pkg.SourceRPM())
	}
	p := &Package{Dir: dir, RPM: pkg}
	for _, e := range pkg.Files {
		if err := plain(e); err != nil {
			return nil, fmt.Errorf("read source %s: %w", s.Path, err)
		}
		p.Files = append(p.Files, e.Name)
		if !strings.HasSuffix(e.Name, ".spec") {
			continue
		}
		if p.Spec != "" {
			return nil, fmt.Errorf("read source %s: it holds two specs, %s and %s: %w", s.Path, p.Spec, e.Name, ErrUnknown)
		}
		p.Spec = e.Name
	}
	if p.Spec == "" {
		return nil, fmt.Errorf("read source %s: it holds no spec: %w", s.Path, ErrUnknown)
	}
	if tarball != "" && !slices.Contains(p.Files, tarball) {
		return nil, p.noTarball(s.Path, fmt.Sprintf("it holds no file %s", tarball))
	}
	if err := pkg.Extract(ctx, dir, nil); err != nil {
		return nil, err
	}
	if tarball == "" {
		if tarball, err = p.kernelTarball(ctx, s.Path); err != nil {
			return nil, err
		}
	}
	p.Tarball = &Source{Path: filepath.Join(dir, tarball), Kind: Tarball}
	return p, nil
}

// plain refuses a file of a package that is a link: it would lead out of the package. rpmbuild puts
// none into source RPMs.
func plain(e rpmfile.Entry) error {
	if e.Mode.IsRegular() {
		return nil
	}
	return fmt.Errorf("its %s is a link, or not a plain file: %w", e.Name, ErrUnknown)
}

// kernelTarball finds the kernel's own tarball: the one that is named like it, or else has a
// kernel's Makefile. Where several are named alike, as documentation and ABI lists are, what is
// in them tells.
func (p *Package) kernelTarball(ctx context.Context, path string) (string, error) {
	named := p.tarballs(kernelTarball)
	if len(named) == 1 {
		return named[0], nil
	}
	among := named
	if len(named) == 0 {
		among = p.tarballs(anyTarball)
	}
	var kernels []string
	for _, name := range among {
		t := &Source{Path: filepath.Join(p.Dir, name), Kind: Tarball}
		kernel := t.startsAsKernel(ctx)
		t.Close()
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if kernel {
			kernels = append(kernels, name)
		}
	}
	switch len(kernels) {
	case 1:
		return kernels[0], nil
	case 0:
		return "", p.noTarball(path, "none has a kernel's Makefile in it")
	}
	return "", p.noTarball(path, "several hold a kernel: "+strings.Join(kernels, ", "))
}

// startsAsKernel tells whether the first Makefile at the top of a tarball is a kernel's. Whether it
// is the only one is found when the chosen tarball is read.
func (s *Source) startsAsKernel(ctx context.Context) bool {
	r, err := s.content()
	if err != nil {
		return false
	}
	files, err := readTarball(ctx, r, []string{"Makefile"}, nil, true)
	return err == nil && kernelMakefile.Match(files.Files["Makefile"].Data)
}

// tarballs returns the files of the package that are called so.
func (p *Package) tarballs(called *regexp.Regexp) []string {
	return slices.DeleteFunc(slices.Clone(p.Files), func(name string) bool { return !called.MatchString(name) })
}

// noTarball is an ErrNoTarball that says which there are to choose from.
func (p *Package) noTarball(path, why string) error {
	names := p.tarballs(anyTarball)
	if len(names) == 0 {
		return fmt.Errorf("read source %s: it holds no tarball: %w", path, ErrNoTarball)
	}
	return fmt.Errorf("read source %s: %w: %s; name one with --tarball, of %s", path, ErrNoTarball, why, strings.Join(names, ", "))
}
