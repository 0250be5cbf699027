// SPDX-License-Identifier: Apache-2.0

// Package fit finds out whether the patch fits a source, where its hunks go, and whether its
// hook is reached there. It reads the source and writes nothing into it.
package fit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/keyring"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/source"
	"ovzpatch/internal/spec"
)

// Spec says how the spec of a source RPM is read.
type Spec struct {
	// Replaced says that ours takes its place, and that its own patches stay out.
	Replaced      bool
	Target        string
	With, Without []string
	Defines       []string // "NAME VALUE" each
	Tarball       string   // file name of the kernel's own; "" where that can be told
}

// Request says what is to be checked.
type Request struct {
	Source  string // path of a source RPM, a tarball or a tree
	Keyring string // file with the keys of whoever may have signed it; "" for any
	Port    Port
	Spec    Spec
	Place   patch.Options
	// Cache is where the files that were read of a tarball are kept; the zero value is nowhere.
	Cache  cache.Cache
	Report job.Reporter
}

// Fit is a source whose kernel is known, and the patch for it, placed.
type Fit struct {
	Choice
	Source   *source.Source
	Package  *source.Package // a source RPM, unpacked; nil for other sources
	Spec     *spec.Spec      // of a source RPM that keeps its own; nil for other sources
	Files    *source.Files   // what was read of it, as it is before the patch
	Plan     *patch.Plan     // nil where the patch does not fit
	Findings Findings
	// Dir is where a source RPM is unpacked, and what is made of the source may be put.
	Dir string

	remove   func()
	cache    cache.Cache
	reading  *reading    // Files, and what of them is not read yet
	declared *gate.Names // nil before names
	own      *ownPatches // of a source RPM that keeps its spec; nil for other sources
}

// Close closes the source, and removes what was unpacked. It may be called for a nil Fit.
func (f *Fit) Close() {
	if f == nil {
		return
	}
	f.Source.Close()
	if f.Package != nil {
		f.Package.Tarball.Close()
	}
	f.remove()
}

// Check places the patch in a source, in a source RPM on top of the package's own patches.
// Once the source is known there is a Fit, which is to be closed, also with an error that says
// why the patch does not fit.
func Check(ctx context.Context, r Request) (*Fit, error) {
	// A large source takes its time to be read.
	if err := errors.Join(r.Port.Check(), r.Port.checkStrip(r.Place.Strip)); err != nil {
		return nil, err
	}
	src, err := source.Open(r.Source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, job.BadRequest(err)
	}
	if err != nil {
		return nil, err
	}
	if err := r.verify(ctx, src); err != nil {
		src.Close()
		return nil, err
	}
	f := &Fit{Source: src, Files: &source.Files{}, cache: r.Cache}
	if f.Dir, f.remove, err = scratch.New("", "source"); err != nil {
		src.Close()
		return nil, fmt.Errorf("unpack source: %w", err)
	}
	if src.Kind == source.Tree {
		// Held so that nobody patches the tree meanwhile; what was interrupted is undone.
		tree, err := patch.OpenTree(src.Path)
		if err != nil {
			f.Close()
			return nil, err
		}
		defer tree.Close()
	}
	p, err := f.readSource(ctx, r)
	if err != nil {
		f.Close()
		return nil, err
	}
	err = f.judge(ctx, p, r.Place)
	if err != nil {
		err = f.instead(ctx, r, err)
	}
	return f, err
}

// verify verifies the signature of a source; only source RPMs can be signed.
func (r Request) verify(ctx context.Context, src *source.Source) error {
	if src.Kind == source.RPM {
		pkg, err := src.RPM(ctx)
		if err != nil {
			return err
		}
		return keyring.Verify(ctx, r.Report, pkg, r.Source, r.Keyring)
	}
	if r.Spec.Tarball != "" {
		return job.BadRequest(errors.New("--tarball chooses among those in a source RPM"))
	}
	if r.Keyring != "" {
		return job.BadRequest(errors.New("--keyring is for source RPMs; verify a tarball's signature with gpgv first"))
	}
	return nil
}

// Look refuses what Check would refuse at its first sight: what is no source, and with a port of ours
// (own is false) a tree without a Makefile.
func Look(path string, own bool) error {
	s, err := source.Open(path)
	if err != nil {
		return err
	}
	defer s.Close()
	if s.Kind != source.Tree || own {
		return nil
	}
	if _, err := os.Stat(filepath.Join(path, MakefileName)); errors.Is(err, fs.ErrNotExist) {
		return noMakefile(path)
	}
	return nil
}

func noMakefile(path string) error {
	return job.BadRequest(fmt.Errorf("%s: it has no Makefile at its top; name the top directory of a kernel, or use --patch FILE for other sources", path))
}

// readSource reads what has to do with the patch, and returns the patch.
func (f *Fit) readSource(ctx context.Context, r Request) (*patch.Patch, error) {
	archive, release := f.Source, ""
	if f.Source.Kind == source.RPM {
		var err error
		if f.Package, err = f.Source.Unpack(ctx, f.Dir, r.Spec.Tarball); err != nil {
			return nil, err
		}
		archive, release = f.Package.Tarball, f.Package.RPM.Release()
		if !r.Spec.Replaced {
			if f.own, err = readOwnPatches(f.Package, r.Port.name(), r.Spec); err != nil {
				return nil, err
			}
			f.Spec = f.own.spec
		}
	}
	if err := f.readKernel(ctx, archive, r); err != nil {
		return nil, err
	}
	makefile, ok := f.Files.Files[MakefileName]
	if !ok && r.Port.File == "" {
		return nil, noMakefile(r.Source)
	}
	var err error
	f.Choice, err = Choose(r.Source, makefile.Data, f.Files.Files[RhelverFile].Data, release, r.Port)
	held := f.own != nil && f.own.prepared.Held != nil
	if why, derives := r.Port.atOnce(err); derives && !held {
		if err := f.own.layFiles(ctx, f.Files, nil); err != nil {
			return nil, err
		}
		p, cannot := f.derive(ctx, why)
		switch {
		case cannot != nil && r.Port.Derive == Always:
			// Ours were not asked for, so that there is none of them is no news.
			return nil, cannot
		case cannot != nil:
			return nil, errors.Join(err, cannot)
		}
		f.found(r)
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	if err := f.takeHeld(); err != nil {
		return nil, err
	}
	p, err := patch.Parse(f.Name, f.Port)
	if err != nil {
		return nil, err
	}
	if err := f.read(ctx, archive, p); err != nil {
		return nil, err
	}
	f.found(r)
	return p, f.own.layFiles(ctx, f.Files, candidates(p))
}

// found begins the findings anew with what is known of the source and the patch.
func (f *Fit) found(r Request) {
	f.Findings = Findings{Source: r.Source, Kind: f.Source.Kind, Line: f.Line, Patch: f.Name, Tried: f.Tried, Derived: f.Derived}
	if f.Kernel != (kernel.Kernel{}) {
		f.Findings.Kernel = f.Kernel.String()
	}
}

// readKernel reads what tells the kernel, what the gate check looks into, and what checkpatch
// consists of. It is all done in one pass, as a compressed tarball is read from its start every time, and
// whoever asks: what check kept serves a build.
func (f *Fit) readKernel(ctx context.Context, archive *source.Source, r Request) error {
	passing := slices.Concat(gate.HeaderPatterns, []string{RhelverFile}, checkpatchFiles)
	var err error
	if f.reading, err = r.readFiles(ctx, archive, []string{MakefileName, gate.File}, passing); err != nil {
		return err
	}
	f.Files = f.reading.Files
	if f.own == nil {
		return nil
	}
	// They are those of the source as it is before the package's own patches.
	if _, err := f.names(); err != nil {
		return err
	}
	return f.own.layMakefile(ctx, f.Files)
}

// names is what the headers of the source declare, for the gate check. They are read for it.
func (f *Fit) names() (*gate.Names, error) {
	if f.declared != nil {
		return f.declared, nil
	}
	if err := f.reading.complete(); err != nil {
		return nil, err
	}
	headers := map[string][]byte{}
	for name, file := range f.Files.Files {
		headers[name] = file.Data
	}
	f.declared = gate.NewNames(headers)
	return f.declared, nil
}

// takeHeld puts in the place of our patch the one of that name which a source RPM has
// already: it is what a build of the package takes.
func (f *Fit) takeHeld() error {
	if f.own == nil || f.own.prepared.Held == nil {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(f.own.pkg.Dir, f.Name))
	if err != nil {
		return fmt.Errorf("read patch: %w", err)
	}
	f.Port = data
	return nil
}

// judge places the patch, and says what is to be said of the package's own patches.
func (f *Fit) judge(ctx context.Context, p *patch.Patch, opt patch.Options) error {
	err := f.place(ctx, p, opt)
	if f.own == nil {
		return err
	}
	if ended := f.own.follow(ctx, f.Plan, f.file, f.Touched()); ended != nil {
		return ended
	}
	f.Findings.Own = f.own.findings(f.Touched(), func(files patch.Files) error {
		plan, err := patch.NewPlan(p, files, opt)
		if err == nil {
			_, err = readGate(ctx, p, plan, files, f.readNames)
		}
		return err
	})
	return errors.Join(f.Findings.Own.Err(), err)
}
