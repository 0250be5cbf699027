// SPDX-License-Identifier: Apache-2.0

// Package rpmdiff finds where two packages that should be identical first differ: in which file,
// at which byte, in which section of it.
package rpmdiff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"ovzpatch/internal/rpmfile"
)

// Difference is the first difference of two packages.
type Difference struct {
	Package string // file name
	File    string // the file in the package, "" if the difference is in the package's header
	What    string // what differs, as a sentence
}

func (d *Difference) String() string {
	s := d.Package + ": "
	if d.File != "" {
		s += d.File + ": "
	}
	return s + d.What
}

// notes are header tags in which rpm records how a package was built, not what: in a source
// package the spec with its macros expanded, which names the build directory and make's -j, and
// in a binary package the digest of that source package.
var notes = []rpmfile.Tag{rpmfile.TagSpec, rpmfile.TagSourcePackageID}

// First returns the first difference of two packages, or nil, and the SHA-256 digest of their
// payload, in hex.
func First(ctx context.Context, a, b string) (*Difference, string, error) {
	pa, err := rpmfile.Open(ctx, a)
	if err != nil {
		return nil, "", err
	}
	defer pa.Close()
	pb, err := rpmfile.Open(ctx, b)
	if err != nil {
		return nil, "", err
	}
	defer pb.Close()
	d := &Difference{Package: filepath.Base(a)}
	da, err := payload(a, pa)
	if err != nil {
		return nil, "", err
	}
	db, err := payload(b, pb)
	if err != nil {
		return nil, "", err
	}
	// The content comes before its description, and in the order of the package.
	found, err := d.content(ctx, pa, pb)
	if err == nil && !found && !d.attributes(pa, pb) {
		tags := slices.DeleteFunc(pa.Header.Differing(pb.Header), func(t rpmfile.Tag) bool { return slices.Contains(notes, t) })
		switch {
		case da != db:
			d.What = "the files are the same, but they are packed differently: does rpmbuild use as many threads to compress as there are processors?"
		case len(tags) > 0:
			d.What = fmt.Sprintf("the files are the same, but tag %d of the header differs: compare rpm -qp --xml of both", tags[0])
		default:
			return nil, da, nil
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("compare %s: %w", d.Package, err)
	}
	return d, "", nil
}

// payload digests the compressed files of a package.
func payload(path string, p *rpmfile.File) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Seek(-p.PayloadSize(), io.SeekEnd); err != nil {
		return "", err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("digest payload: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// content finds the first file that only one package has, or whose content differs.
func (d *Difference) content(ctx context.Context, a, b *rpmfile.File) (bool, error) {
	for _, e := range a.Files {
		d.File = e.Name
		o, ok := b.Find(e.Name)
		switch {
		case !ok:
			d.What = "only in the first package"
			return true, nil
		case e.Mode.Type() != o.Mode.Type():
			d.What = fmt.Sprintf("mode %v and %v", e.Mode, o.Mode)
			return true, nil
		case e.Link != o.Link:
			d.What = fmt.Sprintf("link to %q and to %q", e.Link, o.Link)
			return true, nil
		case e.Mode.IsRegular() && (e.Size != o.Size || e.Digest != o.Digest):
			var err error
			d.What, err = firstByte(ctx, a, b, e.Name)
			return true, err
		}
	}
	for _, o := range b.Files {
		if _, ok := a.Find(o.Name); !ok {
			d.File, d.What = o.Name, "only in the second package"
			return true, nil
		}
	}
	d.File = ""
	return false, nil
}

// attributes finds the first file that the packages describe differently.
func (d *Difference) attributes(a, b *rpmfile.File) bool {
	for _, e := range a.Files {
		o, _ := b.Find(e.Name)
		switch {
		case e.Mode != o.Mode:
			d.What = fmt.Sprintf("mode %v and %v", e.Mode, o.Mode)
		case e.User != o.User || e.Group != o.Group:
			d.What = fmt.Sprintf("owner %s:%s and %s:%s", e.User, e.Group, o.User, o.Group)
		case e.Flags != o.Flags:
			d.What = fmt.Sprintf("marks %#x and %#x", e.Flags, o.Flags)
		case !e.MTime.Equal(o.MTime):
			d.What = fmt.Sprintf("time %v and %v", e.MTime.UTC(), o.MTime.UTC())
		default:
			continue
		}
		d.File = e.Name
		return true
	}
	return false
}
