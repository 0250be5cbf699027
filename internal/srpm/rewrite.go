// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ovzpatch/internal/rpmfile"
)

// smallSource is the size in bytes up to which a source is kept as text, as the same
// one is where it does not come out of a source RPM.
const smallSource = 1 << 20

// Unpacked returns what a source RPM is made of whose files were unpacked to dir: the same
// package, but for what rpmbuild notes about its making, comes out of Build.
func Unpacked(f *rpmfile.File, dir string) (Inputs, error) {
	built, _ := f.Header.Int(rpmfile.TagBuildTime)
	in := Inputs{
		Date: time.Unix(int64(built), 0), Files: map[string]string{}, Texts: map[string][]byte{}, Programs: map[string]bool{},
		Payload: payloadOf(f), FileDigest: rpmfile.DigestNumber(f.DigestAlgorithm), origin: identityOf(f),
	}
	var err error
	if in.SpecName, err = specOf(f); err != nil {
		return Inputs{}, fmt.Errorf("read source RPM: %w", err)
	}
	if in.Spec, err = os.ReadFile(filepath.Join(dir, in.SpecName)); err != nil {
		return Inputs{}, fmt.Errorf("read source RPM: %w", err)
	}
	in.Defines = Dist(in.SpecName, in.Spec, f.Release(), Options{})
	for _, e := range f.Files {
		path := filepath.Join(dir, e.Name)
		if e.Name != in.SpecName && e.Mode&0o111 != 0 {
			in.Programs[e.Name] = true
		}
		switch {
		case e.Name == in.SpecName:
		case e.Size > smallSource:
			in.Files[e.Name] = path
		default:
			if in.Texts[e.Name], err = os.ReadFile(path); err != nil {
				return Inputs{}, fmt.Errorf("read source RPM: %w", err)
			}
		}
	}
	return in, nil
}

// Change is one more patch for a package.
type Change struct {
	PatchFile string // bare name the patch gets
	Patch     []byte
	Tag       string    // appended to Release; "" leaves it alone
	Author    string    // of the changelog entry, "Name <address>"
	Date      time.Time // zero for the package's own
	Changes   []string  // lines of the changelog entry

	place place // of the tag
}

// With returns a package that carries one more patch in its own spec, and the edit of that;
// in stays as it is. A spec that cannot be edited safely is a *SpecError.
func (in Inputs) With(c Change) (Inputs, Edited, error) {
	if c.Date.IsZero() {
		c.Date = in.Date
	}
	if in.origin != nil && c.Tag != "" && words(in.origin.release, c.Tag) > 0 {
		return Inputs{}, Edited{}, in.fail(fmt.Sprintf("its release %s carries the mark %s already, which it can do only once; the patch may be in it, too", in.origin.release, c.Tag),
			"use the original source package, or, if this one is without the patch, another --release-tag")
	}
	edited, err := Inject(in.SpecName, in.Spec, Injection{
		PatchFile: c.PatchFile, Tag: c.Tag, Author: c.Author, Date: c.Date, Changes: c.Changes, place: c.place,
	})
	if err != nil {
		return Inputs{}, Edited{}, err
	}
	if edited.Mail {
		c.Patch = mail(c.Patch, c.Author, strings.TrimSuffix(c.PatchFile, ".patch"), c.Date)
	}
	if c.Tag != "" {
		in.tag = c.Tag
		in.origin = nil // which release comes of it only rpm knows: see Carry
	}
	in.Spec, in.Files, in.Texts = edited.Text, maps.Clone(in.Files), maps.Clone(in.Texts)
	// The patch goes in whatever lies there by its name and is no patch of the spec.
	delete(in.Files, c.PatchFile)
	in.Texts[c.PatchFile] = c.Patch
	return in, edited, nil
}

// specOf returns the name of the package's spec file.
func specOf(f *rpmfile.File) (string, error) {
	var marked, named []string
	for _, e := range f.Files {
		if e.Flags&rpmfile.FileSpec != 0 {
			marked = append(marked, e.Name)
		}
		if strings.HasSuffix(e.Name, ".spec") {
			named = append(named, e.Name)
		}
	}
	for _, list := range [][]string{marked, named} {
		if len(list) == 1 {
			return list[0], nil
		}
	}
	return "", fmt.Errorf("it holds %d spec files instead of one", max(len(marked), len(named)))
}

// payloads are rpm's names for how the original's payload is compressed: the tools that
// read the original read the new one, too.
var payloads = map[string]string{"gzip": "w6.gzdio", "bzip2": "w9.bzdio", "xz": "w2.xzdio", "lzma": "w2.lzdio", "zstd": "w3.zstdio"}

// payloadOf chooses how to compress: as the original where that made it a quarter
// smaller, as it does with thousands of patches, and else not at all.
func payloadOf(f *rpmfile.File) string {
	var unpacked int64
	for _, e := range f.Files {
		unpacked += e.Size
	}
	if unpacked < f.PayloadSize()*4/3 {
		return ""
	}
	return payloads[f.Header.String(rpmfile.TagPayloadCompressor)]
}
