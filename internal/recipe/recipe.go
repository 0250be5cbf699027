// SPDX-License-Identifier: Apache-2.0

// Package recipe puts together what kernel packages are made from: the spec with the patch in
// it, and its sources, for the kernel with the patch and for the one without.
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

// Options say what is made of a source.
type Options struct {
	Keyring string // file with the keys of whoever may have signed a source RPM; "" for any
	Port    fit.Port
	fit.Spec
	Config    string   // kernel configuration; "" for a small one for guests
	Tag       string   // what the Release of a patched kernel is marked with
	Flavours  []string // kernels to build of those that the spec has
	Compat    bool     // also apply what the line's old sources need for this machine's compiler
	Modernize bool     // rewrite what rpm since 4.20 refuses in a source RPM's own spec
	Beside    bool     // add to a source RPM's own spec what makes dnf and zypper keep older kernels
	Debug     bool     // a kernel that watches itself
	Livepatch bool     // a kernel that takes livepatches, where our own configuration is used
	Misplaced bool     // go on with a patch that the gate check refuses
	Root      rpmbuild.Root
	Cache     cache.Cache // keeps what is read of a tarball
	Report    job.Reporter
}

// Recipe is what one kernel's packages are made from.
type Recipe struct {
	srpm.Inputs
	Patched bool
	With    []string // rpmbuild's --with
	Without []string // and --without
	Touched []string // files of the tree that the patch touches
	Port    string   // file name of the patch, "" where there is none in it
	Foreign bool     // the spec is a source RPM's own
	Root    rpmbuild.Root
	Reader  rpmfile.Reader // what must be able to read the packages
	// Source is the file whose digest stands for the source: that itself, or what a tree was
	// packed into.
	Source string

	sources []*source.Source // open files among those it is of
	digests *cache.Digests
}

// Label tells the two kernels apart in what is said.
func (r *Recipe) Label() string {
	if r.Patched {
		return "with"
	}
	return "without"
}

// Digest is the digest of a file that the recipe is of. Each is read once for both kernels.
func (r *Recipe) Digest(path string) (string, error) {
	for _, s := range r.sources {
		if s.Path == path && s.Kind != source.Tree {
			return s.Digest()
		}
	}
	return r.digests.Of(path)
}

// Sides are the two kernels that are compared, and the source that they are made from.
type Sides struct {
	Fit           *fit.Fit
	With, Without *Recipe
}

// Close removes what was unpacked or packed for the recipes.
func (s *Sides) Close() { s.Fit.Close() }

// maker makes recipes.
type maker struct {
	*fit.Fit
	o Options
	u job.Reporter
}

// Make checks that the patch fits the source at path, says where it goes, and puts together
// what the kernels with it and without it are made from.
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

// accept decides whether recipes are made for what fit.Check found, err being its error, and
// says what that was.
func (m maker) accept(path string, err error) error {
	var misplaced *gate.Error
	switch {
	case m.Fit != nil && m.Plan != nil && m.Plan.Applied:
		how := "take it out with ovzpatch apply --reverse"
		if m.Source.Kind == source.RPM {
			how = "give the package it was made from (ovzpatch check tells which of its patches it is in)"
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

// sides puts the recipes together. What only has to be packed for that lies in the directory
// of the Fit.
func (m maker) sides(ctx context.Context) (*Sides, error) {
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
		// A package of ours has the patch and the switch for it.
		if len(m.o.Flavours) > 0 {
			return nil, job.BadRequest(fmt.Errorf("--flavour: this source RPM was made for one kernel, %s; name the flavour where it is made", m.Source.Path))
		}
		if m.o.Config != "" {
			return nil, job.BadRequest(fmt.Errorf("--config: this source RPM has its configuration, %s; give another one where it is made", m.Source.Path))
		}
		if m.o.Tag != srpm.DefaultTag {
			return nil, job.BadRequest(fmt.Errorf("--release-tag: this source RPM has its mark, %s; give another one where it is made", m.Source.Path))
		}
		original.Port, original.Touched, original.Patched = m.Name, m.Touched(), true
		m.readable(original)
		return both(original), nil
	}
	return m.foreignSpec(ctx, original)
}
