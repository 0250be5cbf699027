// SPDX-License-Identifier: Apache-2.0

// Package repoclient says what the programs that install packages will do with one: those of
// RHEL 5 and 6, dnf, and zypper. It reads the package alone, so it tells before anybody has it.
package repoclient

import (
	"context"
	"crypto"
	"fmt"
	"regexp"
	"strings"

	"ovzpatch/internal/rpmfile"
)

// Kind is what a package is to a machine that runs a kernel.
type Kind string

const (
	// Kernel is a package with a kernel's image or modules. The running one must stay.
	Kernel Kind = "kernel"
	// Devel is what modules for one kernel are built against.
	Devel Kind = "devel"
	// Other packages are replaced by newer ones, as they should be.
	Other Kind = "other"
)

// Package is what a client goes by.
type Package struct {
	NEVRA       string
	Name        string
	Kind        Kind
	Source      bool
	Format      int // 6, or 4 for all before
	Payload     string
	FileDigests crypto.Hash // 0 if there are no files
	Features    []string    // of rpm that it requires, as "rpmlib(FileDigests)"
	Provides    []string    // names
	Obsoletes   []string    // names
	Signatures  []rpmfile.SignatureForm
}

// Read reads the package at path: its header, and the form of its signatures.
func Read(ctx context.Context, path string) (*Package, error) {
	f, err := rpmfile.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &Package{
		NEVRA: f.NEVRA(), Name: f.Name(), Source: f.Source, Kind: kindOf(f), Format: 4,
		Payload: f.Header.String(rpmfile.TagPayloadCompressor),
	}
	if p.Payload == "" {
		p.Payload = "gzip" // the tag was left out while there was nothing else
	}
	if n, ok := f.Header.Int(rpmfile.TagRPMFormat); ok {
		p.Format = int(min(n, 1000))
	}
	if len(f.Files) > 0 {
		p.FileDigests = f.DigestAlgorithm
	}
	for _, d := range f.Requires() {
		if strings.HasPrefix(d.Name, "rpmlib(") {
			p.Features = append(p.Features, d.Name)
		}
	}
	for _, d := range f.Provides() {
		p.Provides = append(p.Provides, d.Name)
	}
	for _, d := range f.Obsoletes() {
		p.Obsoletes = append(p.Obsoletes, d.Name)
	}
	if p.Signatures, err = f.SignatureForms(); err != nil {
		return nil, fmt.Errorf("read RPM file %s: %w", path, err)
	}
	return p, nil
}

var (
	kernelFile = regexp.MustCompile(`^(/boot/vmlinu[xz]|(/usr)?/lib/modules/[^/]+/(vmlinu[xz]|kernel/.*\.ko(\.\w+)?)$)`)
	develFile  = regexp.MustCompile(`^/usr/src/(kernels/|linux-)[^/]+/`)
)

// kindOf goes by the files: names of kernel packages are many.
func kindOf(f *rpmfile.File) Kind {
	kind := Other
	if f.Source {
		return kind
	}
	for _, e := range f.Files {
		if kernelFile.MatchString(e.Name) {
			return Kernel
		}
		if develFile.MatchString(e.Name) {
			kind = Devel
		}
	}
	return kind
}
