// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bytes"
	"context"
	"crypto/sha1" // what the metadata of old clients has
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/scratch"
)

var (
	errMissing = errors.New("it is missing")
	errChanged = errors.New("it is not what was published")
	errNotOurs = errors.New("its signature is not good")
)

// sumOf is what a digest was taken of: generations and profiles share their files.
type sumOf struct {
	dev, ino uint64
	kind     string
}

// whole returns why a file of a generation is not what was published; the checksums are by the
// names that the metadata has for algorithms. It must not be used concurrently.
func (t *target) whole(ctx context.Context, path string, checksums map[string]string) error {
	if err := ownFile(path); err != nil {
		return err
	}
	f, err := plainfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	// One says it: that which all generations and profiles have, as a digest is taken once.
	kind := ""
	for k := range checksums {
		kind = max(kind, k) // sha256, of that and sha
	}
	if kind == "" {
		return nil
	}
	sum, err := t.sum(ctx, f, kind)
	if err != nil {
		return err
	}
	if sum != checksums[kind] {
		return errChanged
	}
	return nil
}

// ownFile tells whether a file is there, and is no link: what that leads to could become something else.
func ownFile(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errMissing
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return errChanged
	}
	return nil
}

// sum is the digest of an open file of an earlier generation, which nobody else changes meanwhile.
func (t *target) sum(ctx context.Context, f *os.File, kind string) (string, error) {
	var h hash.Hash
	switch kind {
	case "sha256":
		h = sha256.New()
	case "sha", "sha1":
		h = sha1.New()
	default:
		return "", fmt.Errorf("its checksum is of type %q, which is not known", kind)
	}
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	st := info.Sys().(*syscall.Stat_t)
	of := sumOf{st.Dev, st.Ino, kind}
	if sum := t.sums[of]; sum != "" {
		return sum, nil
	}
	if _, err := io.Copy(h, &interruptible{ctx, f}); err != nil {
		return "", err
	}
	if t.sums == nil {
		t.sums = map[sumOf]string{}
	}
	t.sums[of] = hex.EncodeToString(h.Sum(nil))
	return t.sums[of], nil
}

// damage lists what of the current generation is not as it was published, with why. Its key is the
// one that signs now.
func (p *publication) damage(ctx context.Context, r *Record) (list []string, err error) {
	dir, remove, err := scratch.New("", "damage")
	if err != nil {
		return nil, err
	}
	defer leave(dir, remove, &err)
	at := p.t.generation(r.Number)
	look := func(name string, err error) {
		if err != nil {
			list = append(list, name+": "+err.Error())
		}
	}
	file := func(name string, checksums map[string]string) {
		look(name, p.t.whole(ctx, filepath.Join(at, name), checksums))
	}
	public := map[string]string{"sha256": cache.SHA256(p.key.public)}
	for _, profile := range r.Profiles {
		name := string(profile)
		for _, pkg := range r.Packages {
			file(filepath.Join(name, pkg.Path), pkg.Checksums)
		}
		repomd := filepath.Join(name, "repodata/repomd.xml")
		look(repomd, p.key.good(ctx, dir, filepath.Join(at, repomd)))
		file(repomd+".key", public)
		md, err := readRepomd(filepath.Join(at, name))
		if err != nil {
			continue // its signature has said so
		}
		for _, d := range md.Data {
			file(filepath.Join(name, d.Location.Href), d.Checksum.sums())
		}
	}
	file(keyFile, public)
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		if name != keyFile {
			file(name, map[string]string{"sha256": r.Files[name]})
		}
	}
	if r.Files == nil { // earlier releases did not write them down
		for _, name := range r.beside() {
			file(name, nil)
		}
	}
	for _, k := range r.Kernels() {
		base := filepath.Join(evidenceDir, evidenceName(k))
		look(base+".intoto.json", p.key.stated(ctx, dir, filepath.Join(at, base)))
	}
	return list, context.Cause(ctx)
}

// beside are the files that lie beside the repositories of a generation, but for the key.
func (r *Record) beside() []string {
	names := []string{pageFile}
	if r.Unproved {
		names = append(names, unprovedFile)
	}
	for _, profile := range r.Profiles {
		if r.URL != "" {
			names = append(names, repoFileName(profile))
		}
		if r.URL != "" && profile == Modern {
			names = append(names, mirrorList(profile))
		}
	}
	return names
}

// good tells whether a file and its signature are there, and belong together.
func (s *signer) good(ctx context.Context, dir, path string) error {
	if err := ownFile(path); err != nil {
		return err
	}
	if err := ownFile(path + ".asc"); err != nil {
		return fmt.Errorf("its signature: %w", err)
	}
	if s.verify(ctx, dir, path) != nil {
		return errNotOurs
	}
	return nil
}

// stated tells whether the evidence of a kernel is there, and what was signed. base is its path
// without the endings.
func (s *signer) stated(ctx context.Context, dir, base string) error {
	if err := s.good(ctx, dir, base+".intoto.json"); err != nil {
		return err
	}
	statement, err := plainfile.Read(base + ".intoto.json")
	if err != nil {
		return err
	}
	if err := ownFile(base + ".json"); err != nil {
		return fmt.Errorf("the report that it names: %w", err)
	}
	report, err := plainfile.Read(base + ".json")
	if err != nil {
		return fmt.Errorf("the report that it names: %w", err)
	}
	if !bytes.Contains(statement, []byte(cache.SHA256(report))) {
		return errors.New("the report is not the one that it names")
	}
	return nil
}

// few joins the first of many names.
func few(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], "\n  ") + fmt.Sprintf("\n  and %d more", len(names)-most)
	}
	return strings.Join(names, "\n  ")
}
