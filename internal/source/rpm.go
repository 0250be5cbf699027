// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"ovzpatch/internal/rpmfile"
)

// ErrNoTarball means that a source RPM has no recognizable kernel tarball.
var ErrNoTarball = errors.New("the source RPM holds no tarball that is named like a kernel's (linux-*.tar.*, kernel-*.tar.*) or contains a kernel's Makefile")

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
	RPM     *rpmfile.File // what else it says about itself; closed
}

// Unpack unpacks a source RPM into dir, and finds the kernel's tarball and the spec in it.
func (s *Source) Unpack(ctx context.Context, dir string) (*Package, error) {
	pkg, err := rpmfile.Open(ctx, s.Path)
	if err != nil {
		return nil, err
	}
	defer pkg.Close()
	if !pkg.Source {
		return nil, fmt.Errorf("read source %s: this is a binary package: %w; use the source RPM from which it was built, %s", s.Path, ErrUnknown, pkg.SourceRPM())
	}
	p := &Package{Dir: dir, RPM: pkg}
	// The kernel's own is the largest; tarballs of documentation and ABI lists have similar
	// names.
	var name string
	var size int64
	for _, e := range pkg.Files {
		p.Files = append(p.Files, e.Name)
		if kernelTarball.MatchString(e.Name) && e.Size > size {
			name, size = e.Name, e.Size
		}
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
	if err := pkg.Extract(ctx, dir, nil); err != nil {
		return nil, err
	}
	if name == "" {
		if name = p.kernelTarball(ctx); name == "" && ctx.Err() == nil {
			return nil, fmt.Errorf("read source %s: %w", s.Path, ErrNoTarball)
		}
	}
	p.Tarball = &Source{Path: filepath.Join(dir, name), Kind: Tarball}
	return p, nil
}

// kernelTarball returns the one tarball with a kernel's Makefile among tarballs with other names;
// "" if none or several have one.
func (p *Package) kernelTarball(ctx context.Context) string {
	found := ""
	for _, name := range p.Files {
		if !anyTarball.MatchString(name) {
			continue
		}
		t := &Source{Path: filepath.Join(p.Dir, name), Kind: Tarball}
		files, err := t.ReadFiles(ctx, []string{"Makefile"})
		if err != nil || !kernelMakefile.Match(files.Files["Makefile"].Data) {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}
