// SPDX-License-Identifier: GPL-2.0-only

package srpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/rpmfile"
)

// Change is what happens to a source RPM.
type Change struct {
	PatchFile string // bare name the patch gets
	Patch     []byte
	Tag       string    // appended to Release; "" leaves it alone
	Author    string    // of the changelog entry, "Name <address>"
	Date      time.Time // zero for the source RPM's own build time
	Changes   []string  // lines of the changelog entry
	// Spec takes the place of the source RPM's own spec, untouched; nil edits that one.
	Spec     []byte
	SpecName string // name of Spec
	Keyring  string // OpenPGP keys, one of which must have signed; "" for none
	Defines  []string
	Target   string
	Line     func(string)
}

// Rewritten is a source RPM that carries the patch.
type Rewritten struct {
	Path   string
	Spec   Edited         // with Change.Spec, only its Text is set
	Source rpmfile.Report // what is known about the original
	// Dropped are files of the original that rpmbuild left out, as the spec names them
	// only for other targets.
	Dropped []string
	Defines []string // what a build of it must define, too: Change's, and dist
	Runs    []string // see Runs
}

// Rewrite unpacks the source RPM at path, puts the patch in, and makes a new source RPM
// in outDir. A spec that cannot be edited safely is a *SpecError.
func Rewrite(ctx context.Context, path string, c Change, outDir string) (Rewritten, error) {
	fail := func(err error) (Rewritten, error) {
		return Rewritten{}, fmt.Errorf("patch source RPM %s: %w", path, err)
	}
	f, err := rpmfile.Open(ctx, path)
	if err != nil {
		return Rewritten{}, err
	}
	defer f.Close()
	if !f.Source {
		return fail(errors.New("it is a binary package; give the source RPM it was built from, " + f.SourceRPM()))
	}
	specName, err := specOf(f)
	if err != nil {
		return fail(err)
	}
	var result Rewritten
	dir, err := os.MkdirTemp(outDir, ".unpacked-*")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	if err := f.Extract(ctx, dir, nil); err != nil {
		return fail(err)
	}
	if result.Source, err = f.Verify(ctx, c.Keyring); err != nil {
		return fail(err)
	}
	if c.Date.IsZero() {
		seconds, _ := f.Header.Int(rpmfile.TagBuildTime)
		c.Date = time.Unix(int64(seconds), 0)
	}
	in := Inputs{
		SpecName: specName, Date: c.Date, Target: c.Target, Line: c.Line,
		Files: make(map[string]string), Texts: make(map[string][]byte),
		Payload: payloadOf(f), FileDigest: digestOf(f), move: true,
	}
	for _, e := range f.Files {
		if e.Name != specName {
			in.Files[e.Name] = filepath.Join(dir, e.Name)
		}
	}
	patch := c.Patch
	if c.Spec != nil {
		in.SpecName, in.Spec = c.SpecName, c.Spec
		result.Spec = Edited{Text: c.Spec}
	} else {
		original, err := os.ReadFile(filepath.Join(dir, specName))
		if err != nil {
			return fail(err)
		}
		result.Spec, err = Inject(specName, original, Injection{
			PatchFile: c.PatchFile, Tag: c.Tag, Author: c.Author, Date: c.Date, Changes: c.Changes,
		})
		if err != nil {
			return fail(err)
		}
		in.Spec = result.Spec.Text
		if result.Spec.Mail {
			patch = mail(patch, c.Author, strings.TrimSuffix(c.PatchFile, ".patch"), c.Date)
		}
	}
	// The patch goes in whatever is there by its name: --spec=replace of a package that
	// has it already.
	delete(in.Files, c.PatchFile)
	in.Texts[c.PatchFile] = patch
	in.Defines = append(Dist(f.Release()), c.Defines...)
	result.Defines, result.Runs = in.Defines, Runs(in.SpecName, in.Spec)
	if result.Path, err = Build(ctx, in, outDir); err != nil {
		return fail(err)
	}
	if result.Dropped, err = dropped(ctx, result.Path, in.Files); err != nil {
		return fail(err)
	}
	return result, nil
}

// specOf gives the name of the package's spec file.
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
	return "", fmt.Errorf("it holds %d spec files in place of one", max(len(marked), len(named)))
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

func digestOf(f *rpmfile.File) int { return rpmfile.DigestNumber(f.DigestAlgorithm) }

var distTag = regexp.MustCompile(`\.(el|fc|vl|vz|amzn|oe|ol)\d+[a-z]?(_\d+)?`)

// Dist gives the dist a package of this release was made with, as a define: a
// machine of another distribution does not define it.
func Dist(release string) []string {
	if dist := distTag.FindString(release); dist != "" {
		return []string{"dist " + dist}
	}
	return nil
}

// dropped gives the original's files that the new package does not have.
func dropped(ctx context.Context, path string, files map[string]string) ([]string, error) {
	f, err := rpmfile.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []string
	for name := range files {
		if _, ok := f.Find(name); !ok {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list, nil
}
