// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/cache"
)

// Programs are what `make` built beforehand for the guest.
type Programs struct {
	Init   string // umounttest, which becomes /init
	Base   string // archive of u-root's commands
	Compat string // a 32-bit umounttest for an x86_64 guest, "" for others
}

// Archs are the architectures of guests.
var Archs = []string{"x86_64", "i386"}

// Program is one that guests are made of.
type Program struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// Installed are the programs beside this one, for all architectures.
func Installed(home string) ([]Program, error) {
	list := []Program{}
	for _, arch := range Archs {
		p, err := FindPrograms(home, arch)
		if err != nil {
			continue // doctor says how to get them
		}
		for _, path := range p.Files() {
			digest, err := (*cache.Digests)(nil).Of(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // those for kernels before 2.6.27 may be left out
			}
			if err != nil {
				return nil, fmt.Errorf("read guest program: %w", err)
			}
			list = append(list, Program{filepath.Clean(path), digest})
		}
	}
	return list, nil
}

// FindPrograms looks beside this program, which lies in home: in guest/ of a build
// tree, in ../lib/ovzpatch/guest/ where it is installed.
func FindPrograms(home, arch string) (*Programs, error) {
	goarch := map[string]string{"x86_64": "amd64", "i386": "386"}[arch]
	dirs := []string{
		filepath.Join(home, "guest", goarch),
		filepath.Join(home, "..", "lib", "ovzpatch", "guest", goarch),
	}
	for _, dir := range dirs {
		p := &Programs{Init: filepath.Join(dir, "umounttest"), Base: filepath.Join(dir, "uroot.cpio")}
		if goarch == "amd64" {
			p.Compat = filepath.Join(dir, "..", "386", "umounttest")
		}
		missing := func(f string) bool { _, err := os.Stat(f); return err != nil }
		if !slices.ContainsFunc([]string{p.Init, p.Base}, missing) {
			return p, nil
		}
	}
	return nil, fmt.Errorf("find guest programs: no umounttest and uroot.cpio in %s; run `make` or `make install`", strings.Join(dirs, " or "))
}

// Ready is an error where programs are missing that a guest with a kernel of this release is made of.
func Ready(home, arch, release string) error {
	_, err := programsFor(home, arch, release)
	return err
}

// programsFor finds the programs for a kernel's release.
func programsFor(home, arch, release string) (*Programs, error) {
	p, err := FindPrograms(home, arch)
	if err != nil {
		return nil, err
	}
	p = p.forKernel(release)
	for _, path := range []string{p.Init, p.Base} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("find guest programs: %w; run `make` or `make install`", err)
		}
	}
	return p, nil
}

// Files are the paths of all programs of an architecture, those for old kernels too. Some may be
// missing.
func (p *Programs) Files() []string {
	old := p.forKernel("2.6.18")
	return []string{p.Init, p.Base, old.Init, old.Base}
}

// forKernel returns the programs for a kernel's release: those before 2.6.27 lack system
// calls that Go's own runtime makes, and get programs built with internal/gooverlay.
func (p *Programs) forKernel(release string) *Programs {
	var patch int
	if n, _ := fmt.Sscanf(release, "2.6.%d", &patch); n == 0 || patch >= 27 {
		return p
	}
	old := &Programs{Init: p.Init + "-old", Base: strings.TrimSuffix(p.Base, ".cpio") + "-old.cpio"}
	if p.Compat != "" {
		old.Compat = p.Compat + "-old"
	}
	return old
}
