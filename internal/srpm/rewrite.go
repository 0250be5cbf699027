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
	"ovzpatch/internal/spec"
)

// smallSource is the size in bytes up to which a source is kept as text, as the same
// one is where it does not come out of a source RPM.
const smallSource = 1 << 20

// Unpacked returns what a source RPM with this spec is made of whose files were unpacked to dir: the
// same package, but for what rpmbuild notes about its making, comes out of Build.
func Unpacked(f *rpmfile.File, dir string, s *spec.Spec) (Inputs, error) {
	built, _ := f.Header.Int(rpmfile.TagBuildTime)
	in := Inputs{
		Spec: s, Date: time.Unix(int64(built), 0), Files: map[string]string{}, Texts: map[string][]byte{}, Programs: map[string]bool{},
		Payload: payloadOf(f), FileDigest: rpmfile.DigestNumber(f.DigestAlgorithm), origin: identityOf(f),
	}
	in.Defines = s.Dist(f.Release(), spec.Options{})
	for _, e := range f.Files {
		path := filepath.Join(dir, e.Name)
		if e.Name != s.Name() && e.Mode&0o111 != 0 {
			in.Programs[e.Name] = true
		}
		switch {
		case e.Name == s.Name():
		case e.Size > smallSource:
			in.Files[e.Name] = path
		default:
			text, err := os.ReadFile(path)
			if err != nil {
				return Inputs{}, fmt.Errorf("read source RPM: %w", err)
			}
			in.Texts[e.Name] = text
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

	place spec.Place // of the tag
}

// With returns a package that carries one more patch in its own spec, and the edit of that;
// in stays as it is. A spec that cannot be edited safely is a *spec.Error.
func (in Inputs) With(c Change) (Inputs, spec.Edited, error) {
	if c.Date.IsZero() {
		c.Date = in.Date
	}
	if in.origin != nil && c.Tag != "" && words(in.origin.release, c.Tag) > 0 {
		return Inputs{}, spec.Edited{}, in.fail(fmt.Sprintf("its release %s already carries the mark %s, and can carry it only once; the patch may be in it, too", in.origin.release, c.Tag),
			"use the original source package, or, if this one is without the patch, another --release-tag")
	}
	edited, err := in.Spec.Inject(spec.Injection{
		PatchFile: c.PatchFile, Tag: c.Tag, Author: c.Author, Date: c.Date, Changes: c.Changes, Place: c.place,
	})
	if err != nil {
		return Inputs{}, spec.Edited{}, err
	}
	if edited.Mail {
		c.Patch = mail(c.Patch, c.Author, strings.TrimSuffix(c.PatchFile, ".patch"), c.Date)
	}
	if c.Tag != "" {
		in.tag = c.Tag
		in.origin = nil // which release comes of it only rpm knows: see Carry
	}
	in.Spec, in.Files, in.Texts = edited.Spec, maps.Clone(in.Files), maps.Clone(in.Texts)
	// The patch goes in whatever lies there by its name and is no patch of the spec.
	delete(in.Files, c.PatchFile)
	in.Texts[c.PatchFile] = c.Patch
	return in, edited, nil
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
