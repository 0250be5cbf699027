// SPDX-License-Identifier: Apache-2.0

// Package recipe prepares what rpmbuild makes kernel packages from, the spec with the patch and its sources.
// It makes two recipes, for the kernel with the patch and for the one without.
package recipe

import (
	"context"
	"errors"
	"fmt"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/source"
	"ovzpatch/internal/srpm"
	"ovzpatch/patches"
	"ovzpatch/specs"
)

// Options say how recipes are made from a source.
type Options struct {
	Keyring string // file with the keys of whoever may have signed a source RPM; "" for any
	Port    fit.Port
	fit.Spec
	Config    string   // kernel configuration; "" for a small one for guests
	Trial     bool     // the small one has only what a trial needs: nobody else gets the kernel
	Tag       string   // marks the Release of a patched kernel
	Flavours  []string // kernels to build, of those that the spec can build; nil for its default
	Compat    bool     // also apply what the line's old sources need for this machine's compiler
	Modernize bool     // rewrite the lines of a source RPM's own spec that rpm refuses since 4.20, or depmod of kmod 34
	Beside    bool     // add the Provides that make dnf and zypper keep older kernels to a source RPM's own spec
	Debug     bool     // a kernel that watches itself
	Livepatch bool     // a kernel that takes livepatches; with our own spec only
	Misplaced bool     // accept a patch that the gate check refuses
	Root      rpmbuild.Root
	Outputs   []string    // files and directories that are written: a tree is packed without them
	Cache     cache.Cache // of files that were read from tarballs
	Report    job.Reporter
}

// Recipe is what the packages of one kernel are made from.
type Recipe struct {
	srpm.Inputs
	Patched bool
	With    []string // rpmbuild's --with
	Without []string // and --without
	Touched []string // files of the tree that the patch touches
	Port    string   // file name of the patch, "" without one
	Foreign bool     // the spec is a source RPM's own
	Root    rpmbuild.Root
	Reader  rpmfile.Reader // the rpm that must be able to read the packages
	// Source is the file whose digest identifies the source: the source itself, or the tarball of a tree.
	Source string

	depmod  depmodUse
	sources []*source.Source // open, so that no file is read twice for its digest
	digests *cache.Digests
}

// Label names the kernel in messages.
func (r *Recipe) Label() string {
	if r.Patched {
		return "with"
	}
	return "without"
}

// Digest returns the digest of a file of the recipe. Each file is read once for both kernels.
func (r *Recipe) Digest(path string) (string, error) {
	for _, s := range r.sources {
		if s.Path == path && s.Kind != source.Tree {
			return s.Digest()
		}
	}
	return r.digests.Of(path)
}

// Sides are the recipes of the two kernels that are compared, and their source.
type Sides struct {
	Fit           *fit.Fit
	With, Without *Recipe
}

// Close removes the temporary files of both recipes.
func (s *Sides) Close() { s.Fit.Close() }

// maker makes recipes.
type maker struct {
	*fit.Fit
	o Options
	u job.Reporter
}

// Make checks that the patch fits the source at path, reports where it goes, and makes the recipes for the
// kernels with it and without it.
func Make(ctx context.Context, path string, o Options) (s *Sides, err error) {
	o.Report.Say("reading %s", path)
	f, err := fit.Check(ctx, fit.Request{Source: path, Keyring: o.Keyring, Port: o.Port, Spec: o.Spec, Place: patch.Options{Strip: -1}, Cache: o.Cache, Report: o.Report})
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	m := maker{f, o, o.Report}
	if err := m.accept(path, err); err != nil {
		return nil, err
	}
	if s, err = m.sides(ctx); err != nil {
		return nil, err
	}
	s.Fit, s.With.Root, s.Without.Root = f, o.Root, o.Root
	digests := &cache.Digests{}
	s.With.digests, s.Without.digests = digests, digests
	sources := []*source.Source{f.Source}
	if f.Package != nil {
		sources = append(sources, f.Package.Tarball)
	}
	s.With.sources, s.Without.sources = sources, sources
	if gcc := newCompiler(ctx); gcc != "" && o.Root == (rpmbuild.Root{}) && !o.Compat && len(patches.Compat(f.Line)) > 0 {
		m.u.Say("kernels of line %s do not compile with gcc %s as they are: add --compat for a test, or build where an older compiler lives (--root)", f.Line, gcc)
	}
	return s, nil
}

// accept decides from what fit.Check found, and from its error err, whether to make recipes, and reports the
// findings.
func (m maker) accept(path string, err error) error {
	var misplaced *gate.Error
	switch {
	case m.Fit != nil && m.Plan != nil && m.Plan.Applied:
		how := "take it out with ovzpatch apply --reverse"
		if m.Source.Kind == source.RPM {
			how = "use the package it was made from (ovzpatch check tells which of its patches it is in)"
		}
		return job.Misfit(fmt.Errorf("the patch is in %s already, and the comparison needs it without: %s", path, how))
	case errors.As(err, &misplaced) && m.o.Misplaced && (m.Findings.Own == nil || m.Findings.Own.Err() == nil):
		m.u.Say("continuing although %v", err)
	case err != nil:
		return err
	}
	if m.Derived != nil {
		m.u.Say("the port is derived %s; nobody has tried it", m.Derived.Summary())
	}
	m.u.Say("%s: %s; the patch fits:", m.Source.Kind, fit.DescribeKernel(m.Kernel.String(), m.Line))
	for _, p := range m.Plan.Placements {
		m.u.Say("  %s", fit.PlacementLine(p))
	}
	if m.Findings.Own != nil {
		m.Findings.Own.Rows(func(what, format string, args ...any) { m.u.Say("  %-8s %s", what, fmt.Sprintf(format, args...)) })
	}
	return nil
}

// sides makes the recipes. Files that they need go into the directory of the Fit.
func (m maker) sides(ctx context.Context) (*Sides, error) {
	if err := m.takesLivepatch(); err != nil {
		return nil, err
	}
	switch {
	case m.Source.Kind != source.RPM:
		archive, top, err := m.archive(ctx)
		if err != nil {
			return nil, err
		}
		return m.ownSpec(archive, top)
	case m.o.Replaced:
		m.u.Say("our spec replaces the source RPM's own; the package's own patches are left out")
		return m.ownSpec(m.Package.Tarball.Path, m.Files.Top)
	}
	return m.fromPackage(ctx)
}

// fromPackage is for a source RPM that keeps its spec.
func (m maker) fromPackage(ctx context.Context) (*Sides, error) {
	original := &Recipe{With: m.o.With, Without: m.o.Without, Root: m.o.Root, Source: m.Source.Path}
	var err error
	if original.Inputs, err = srpm.Unpacked(m.Package.RPM, m.Package.Dir, m.Fit.Spec); err != nil {
		return nil, err
	}
	original.Target = m.o.Target
	if m.o.Debug {
		return nil, job.BadRequest(fmt.Errorf("--debug-kernel: %s brings configurations of its own: use --spec=replace, or a flavour of its that debugs (--flavour)", original.Spec.Name()))
	}
	m.u.Say("rpmbuild on %s will run the scripts and macros of %s", m.o.Root.Name(), original.Spec.Name())
	if specs.Own(original.Spec.Text()) {
		// A package that ovzpatch made has the patch, and a switch that leaves it out.
		if len(m.o.Flavours) > 0 {
			return nil, job.BadRequest(fmt.Errorf("--flavour: this source RPM was made for one kernel, %s; name the flavour where you make it", m.Source.Path))
		}
		if m.o.Config != "" {
			return nil, job.BadRequest(fmt.Errorf("--config: this source RPM has its configuration, %s; choose another one where you make it", m.Source.Path))
		}
		if m.o.Tag != srpm.DefaultTag {
			return nil, job.BadRequest(fmt.Errorf("--release-tag: this source RPM has its mark, %s; choose another one where you make it", m.Source.Path))
		}
		original.Port, original.Touched, original.Patched = m.Name, m.Touched(), true
		m.readable(original)
		return both(original), nil
	}
	return m.foreignSpec(ctx, original)
}
