// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/rpmbuild"
)

// keys are the digests of what the compiled objects depend on, and of what the
// packages do. The first leaves out the text of the patch, but not which files it
// touches: an object of a file that only another patch touched would be stale.
func (b *builder) keys(ctx context.Context) (objects, packages string, err error) {
	compiler, err := b.compiler(ctx)
	if err != nil {
		return "", "", err
	}
	k := cache.NewKey("kernel").Add("compiler", compiler).Add("target", b.Target).
		Add("touched", strings.Join(b.Touched, "\x00"))
	for _, name := range slices.Sorted(maps.Keys(b.Files)) {
		digest, err := b.Digest(b.Files[name])
		if err != nil {
			return "", "", fmt.Errorf("make cache key: %w", err)
		}
		k.Add(name, digest)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Texts)) {
		if name != b.Port {
			k.Add(name, string(b.Texts[name]))
		}
	}
	objects = k.String()
	if b.Root.Mock == "" { // mock's are in its root, and its configuration is in the key
		settings, err := b.Root.Settings(ctx)
		if err != nil {
			return "", "", err
		}
		k.Add("rpm", settings)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Programs)) {
		k.Add("program", name)
	}
	j := b.job()
	k.Add("spec", string(b.Spec.Text())).Add("rpmbuild", strings.Join(j.Args(), "\x00")).Add("date", strconv.FormatInt(j.Epoch, 10))
	if b.Patched {
		k.Add("port", string(b.Texts[b.Port]))
	}
	return objects, k.String(), nil
}

// allKeys are keys, and besides that of all packages, where a trial's kernel package is alone.
func (b *builder) allKeys(ctx context.Context) (objects, packages, all string, err error) {
	if objects, packages, err = b.keys(ctx); err != nil || !b.lean {
		return objects, packages, packages, err
	}
	whole := *b
	whole.lean = false
	_, all, err = whole.keys(ctx)
	return objects, packages, all, err
}

// job is what rpmbuild is told, apart from where and how fast it is to work.
func (b *builder) job() rpmbuild.Job {
	j := rpmbuild.Job{Target: b.Target, With: b.With, Without: b.Without, Epoch: b.Date.Unix()}
	for _, d := range b.Defines {
		name, value, _ := strings.Cut(d, " ")
		j.Defines = append(j.Defines, rpmbuild.Define{Name: name, Value: value})
	}
	if !b.Foreign && b.Root.Mock == "" {
		// Our spec then keeps the tree in the build directory, beside the objects.
		j.Defines = append(j.Defines, rpmbuild.Define{Name: "kagain", Value: "1"})
	}
	if b.lean {
		j.Defines = append(j.Defines, rpmbuild.Define{Name: "ktrial", Value: "1"})
	}
	if b.FileDigest != 0 {
		n := strconv.Itoa(b.FileDigest)
		j.Defines = append(j.Defines, rpmbuild.Define{Name: "_binary_filedigest_algorithm", Value: n}, rpmbuild.Define{Name: "_source_filedigest_algorithm", Value: n})
	}
	return j
}
