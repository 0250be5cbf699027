// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/recipe"
	"ovzpatch/internal/rpmdiff"
)

// VerifyReproducible builds a kernel that has just been built from nothing once more:
// in another directory, at another time and in another time zone, with another -j.
// The packages must be the same.
func VerifyReproducible(ctx context.Context, r *recipe.Recipe, first *Result, o Options) error {
	ctx, cancel := o.within(ctx)
	defer cancel()
	b := &builder{Recipe: r, o: o, u: o.Report, again: true}
	_, packages, err := b.keys(ctx)
	if err != nil {
		return err
	}
	work, err := b.workDir(ctx, "reproduce", packages)
	if err != nil {
		return err
	}
	defer work.Release()
	if err := os.RemoveAll(work.Dir); err != nil {
		return fmt.Errorf("build once more: %w", err)
	}
	b.u.Say("building once more, in another directory and time zone, and with another -j")
	second, err := b.run(ctx, work.Dir, work.Hold)
	if err == nil && first.Source != "" && second.Source == "" {
		second.Source, err = b.sourcePackage(ctx, work.Dir, work.Hold)
	}
	if err != nil {
		return err
	}
	said, err := sameBuild(ctx, first, second)
	if err != nil {
		// The packages are for a closer look; the tree and the objects are not needed for it.
		return errors.Join(err, fmt.Errorf("the packages of both builds are in %s and %s", first.Dir, filepath.Join(work.Dir, "top")),
			os.RemoveAll(filepath.Join(work.Dir, "BUILD")))
	}
	b.u.Say("reproducible: both builds made the same payloads (SHA-256)\n%s", strings.Join(said, "\n"))
	return os.RemoveAll(work.Dir)
}

// sameBuild returns a line for each package, or the first difference as an error.
func sameBuild(ctx context.Context, first, second *Result) ([]string, error) {
	again := map[string]string{}
	for _, path := range second.Files() {
		again[filepath.Base(path)] = path
	}
	var said []string
	for _, name := range first.Files() {
		path, ok := again[name]
		if !ok {
			return nil, fmt.Errorf("not reproducible: the second build has no %s", name)
		}
		delete(again, name)
		d, digest, err := rpmdiff.First(ctx, filepath.Join(first.Dir, name), path)
		if err != nil {
			return nil, err
		}
		if d != nil {
			return nil, fmt.Errorf("not reproducible: %v", d)
		}
		said = append(said, "  "+digest+"  "+name)
	}
	for name := range again {
		return nil, fmt.Errorf("not reproducible: only the second build has %s", name)
	}
	return said, nil
}
