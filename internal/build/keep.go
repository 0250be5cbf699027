// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"fmt"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/rpmfile"
)

// Keep puts a finished build of a recipe, from the source that was checked, into a datastore as
// a snapshot. Options are noted with it: the words that it was asked for with.
func (b *Result) Keep(ctx context.Context, store *datastore.Store, f *fit.Fit, r *recipe.Recipe, options []string) (datastore.Ref, error) {
	kernels, err := b.Kernels(ctx)
	if err != nil {
		return datastore.Ref{}, err
	}
	pkg, err := rpmfile.Open(ctx, kernels[0].Kernel)
	if err != nil {
		return datastore.Ref{}, err
	}
	pkg.Close()
	group, err := datastore.ParseGroup("kernel/" + pkg.Name() + "." + pkg.Arch())
	if err != nil {
		return datastore.Ref{}, err
	}
	w, err := store.CreateNow(ctx, group)
	if err != nil {
		return datastore.Ref{}, err
	}
	defer w.Abort()
	for _, name := range append(slices.Clone(b.Files()), filepath.Base(b.Log())) {
		if _, err := w.AddPath(ctx, filepath.Join(b.Dir, name)); err != nil {
			return datastore.Ref{}, err
		}
	}
	w.Manifest.Source.Name = filepath.Base(f.Source.Path)
	if w.Manifest.Source.SHA256, err = r.Digest(r.Source); err != nil {
		return datastore.Ref{}, fmt.Errorf("digest source: %w", err)
	}
	if b.Patched {
		w.Manifest.Port = datastore.Input{Name: f.Name, SHA256: cache.SHA256(f.Port)}
		if f.Derived != nil {
			w.Manifest.Derived = f.Derived.Summary()
		}
	}
	w.Manifest.Spec = datastore.Input{Name: r.Spec.Name(), SHA256: cache.SHA256(r.Spec.Text())}
	w.Manifest.Options = options
	w.Manifest.Log = filepath.Base(b.Log())
	w.Manifest.Toolchain = Toolchain(ctx, r.Root)
	if who, err := user.Current(); err == nil {
		w.Manifest.Owner = who.Username
	}
	return w.Ref(), w.Commit(ctx)
}

// Toolchain is what each program that makes a kernel says of itself, where it runs. One
// that is silent is left out: the build itself would have failed without it.
func Toolchain(ctx context.Context, root rpmbuild.Root) map[string]string {
	versions := map[string]string{}
	if root.Mock != "" {
		versions["mock"] = root.Mock
		return versions
	}
	for _, name := range []string{"gcc", "ld", "make", "rpmbuild"} {
		out, err := command.Ask(ctx, root.Args(name, "--version")...)
		if first, _, _ := bytes.Cut(out, []byte("\n")); err == nil {
			versions[name] = strings.TrimSpace(string(first))
		}
	}
	return versions
}

// FromSnapshot is the build that a snapshot holds.
func FromSnapshot(snap *datastore.Reader) *Result {
	b := &Result{Dir: snap.Dir()}
	for _, f := range snap.Manifest.Files {
		if strings.HasSuffix(f.Name, ".rpm") && !strings.HasSuffix(f.Name, ".src.rpm") {
			b.Packages = append(b.Packages, f.Name)
		}
	}
	return b
}
