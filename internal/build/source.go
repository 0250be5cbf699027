// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/srpm"
)

// addSource puts the source package beside the packages of a build. A trial needs none, and one
// of a whole kernel takes its time.
func (b *builder) addSource(ctx context.Context, res *Result, work string, hold *os.File) error {
	b.u.Say("packing the source package")
	path, err := b.sourcePackage(ctx, work, hold)
	if err != nil {
		return err
	}
	if err := res.keepSource(path); err != nil {
		return fmt.Errorf("keep source package: %w", err)
	}
	return os.RemoveAll(filepath.Join(work, sourceTop))
}

// keepSource moves a source package to the others, in the cache, and notes it.
func (b *Result) keepSource(path string) error {
	digest, err := (*cache.Digests)(nil).Of(path)
	if err != nil {
		return err
	}
	if b.Source, err = move(path, b.Dir); err != nil {
		return err
	}
	note, err := b.note()
	if err != nil {
		return err
	}
	if err := errors.Join(cache.Admit(b.Dir, b.Source, digest), cache.Admit(b.Dir, buildManifest, cache.SHA256(note))); err != nil {
		return err
	}
	return b.write(b.Dir)
}

// sourceTop is the topdir, below the work directory, of the source package.
const sourceTop = "source"

// sourcePackage packs what a recipe is of, and returns the path of the package.
func (b *builder) sourcePackage(ctx context.Context, work string, hold *os.File) (string, error) {
	top := filepath.Join(work, sourceTop)
	if err := os.RemoveAll(top); err != nil {
		return "", fmt.Errorf("pack source package: %w", err)
	}
	j := b.job()
	j.SourceOnly, j.NoDeps = true, true
	j.Root, j.Spec, j.Topdir = b.Root, filepath.Join(top, "SPECS", b.Spec.Name()), top
	j.Nice, j.Log, j.Hold = b.o.Nice, filepath.Join(top, "source.log"), hold
	if err := j.Dirs(); err != nil {
		return "", err
	}
	if err := b.LayOut(ctx, top, srpm.Link); err != nil {
		return "", fmt.Errorf("pack source package: %w", err)
	}
	res, err := rpmbuild.Run(ctx, j, func(rpmbuild.Progress) {})
	if err != nil {
		return "", err
	}
	return res.Source, nil
}
