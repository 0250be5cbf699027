// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/command"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/report"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/source"
)

// keep puts a finished build into a datastore as a snapshot.
func (b *kernelBuild) keep(ctx context.Context, s *datastore.Store, in *input, r *recipe) (datastore.Ref, error) {
	kernels, err := b.kernels(ctx)
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
	w, err := s.Create(ctx, group, time.Now())
	if err != nil {
		return datastore.Ref{}, err
	}
	defer w.Abort()
	for _, name := range append(slices.Clone(b.Packages), b.Source, filepath.Base(b.log())) {
		if _, err := w.AddPath(ctx, filepath.Join(b.Dir, name)); err != nil {
			return datastore.Ref{}, err
		}
	}
	w.Manifest.Source.Name = filepath.Base(in.Source.Path)
	if w.Manifest.Source.SHA256, err = sourceDigest(in, r); err != nil {
		return datastore.Ref{}, err
	}
	if b.Patched {
		w.Manifest.Port = datastore.Input{Name: in.Name, SHA256: digest(in.Port)}
		if in.Derived != nil {
			w.Manifest.Derived = in.Derived.Summary()
		}
	}
	w.Manifest.Spec = datastore.Input{Name: r.SpecName, SHA256: digest(r.Spec)}
	w.Manifest.Options = os.Args[1:]
	w.Manifest.Log = filepath.Base(b.log())
	w.Manifest.Toolchain = toolchain(ctx, r.root)
	if who, err := user.Current(); err == nil {
		w.Manifest.Owner = who.Username
	}
	return w.Ref(), w.Commit(ctx)
}

// sourceDigest is that of the source file, or of the tarball a tree was packed into.
func sourceDigest(in *input, r *recipe) (string, error) {
	path := in.Source.Path
	if in.Source.Kind == source.Tree {
		packed, ok := r.Files[in.tarball]
		if !ok {
			return "", fmt.Errorf("digest source: the tree %s was not packed up", path)
		}
		path = packed
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("digest source: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("digest source: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// toolchain is what each program that makes a kernel says of itself, where it runs. One
// that is silent is left out: the build itself would have failed without it.
func toolchain(ctx context.Context, root rpmbuild.Root) map[string]string {
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

// snapshotBuild is the build that a snapshot holds.
func snapshotBuild(snap *datastore.Reader) *kernelBuild {
	b := &kernelBuild{Dir: snap.Dir()}
	for _, f := range snap.Manifest.Files {
		if strings.HasSuffix(f.Name, ".rpm") && !strings.HasSuffix(f.Name, ".src.rpm") {
			b.Packages = append(b.Packages, f.Name)
		}
	}
	return b
}

// keepVerdict notes the outcome of a test in the manifest of the snapshot that was tested.
func keepVerdict(ctx context.Context, s *datastore.Store, ref datastore.Ref, k *report.Kernel) error {
	evidence, err := json.Marshal(k.Results)
	if err != nil {
		return err
	}
	return s.UpdateManifest(ctx, ref, func(m *datastore.Manifest) error {
		m.Verdicts = append(m.Verdicts, datastore.Verdict{
			Time: time.Now().UTC().Truncate(time.Second), File: k.Package,
			Verdict: string(k.Verdict), Expected: string(k.Expect), Evidence: evidence,
		})
		return nil
	})
}
