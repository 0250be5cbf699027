// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
)

// LeftOut is something that was asked for and is not published.
type LeftOut struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// selection is what is to be published, with the snapshots it comes from, which stay whole until
// it is closed.
type selection struct {
	o       *Options
	store   *datastore.Store
	known   map[string]Package // by the digest of the unsigned file: what earlier generations say of it
	retired []Retired
	current []Package        // what clients find now
	bad     map[string]error // snapshots that were found damaged while they were copied

	packages []Package
	readers  map[datastore.Ref]*datastore.Reader
	leftOut  []LeftOut
	unproved []string // kernels that are published all the same
}

func (s *selection) close() {
	for _, r := range s.readers {
		r.Close()
	}
}

// groups returns what was asked for: snapshots named by themselves, and groups, each once.
func (s *selection) groups() (refs []datastore.Ref, groups []datastore.Group, err error) {
	for _, name := range s.o.Names {
		if strings.Contains(name, ":") {
			r, err := datastore.ParseRef(name)
			if err != nil {
				return nil, nil, job.BadRequest(err)
			}
			refs = append(refs, r)
			continue
		}
		g, err := datastore.ParseGroup(name)
		if err != nil {
			return nil, nil, job.BadRequest(err)
		}
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	for _, name := range s.o.Namespaces {
		below, err := s.below(name)
		if err != nil {
			return nil, nil, err
		}
		groups = append(groups, slices.DeleteFunc(below, func(g datastore.Group) bool { return slices.Contains(groups, g) })...)
	}
	return refs, groups, nil
}

// below returns the groups of a namespace, and of those below it.
func (s *selection) below(namespace string) (groups []datastore.Group, err error) {
	if _, err := datastore.ParseNamespace(namespace); err != nil {
		return nil, job.BadRequest(err)
	}
	all, err := s.store.All()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if ns := string(r.Namespace); (ns == namespace || strings.HasPrefix(ns, namespace+"/")) && !slices.Contains(groups, r.Group) {
			groups = append(groups, r.Group)
		}
	}
	if len(groups) == 0 {
		return nil, job.BadRequest(fmt.Errorf("namespace %s: it has no snapshot", namespace))
	}
	return groups, nil
}

// choose opens the snapshots and takes their packages. One that is named and cannot be published is
// an error; of a group it is left out.
func (s *selection) choose(ctx context.Context) error {
	refs, groups, err := s.groups()
	if err != nil {
		return err
	}
	for _, ref := range refs {
		why, err := s.add(ctx, ref)
		if err == nil && why != "" {
			err = job.BadRequest(errors.New(why))
		}
		if err != nil {
			return fmt.Errorf("publish %s: %w", ref, err)
		}
	}
	for _, g := range groups {
		in, err := s.store.Snapshots(g)
		if err != nil {
			return err
		}
		if len(in) == 0 {
			return job.BadRequest(fmt.Errorf("group %s: it has no snapshot", g))
		}
		taken := 0
		for _, ref := range slices.Backward(in) {
			if s.o.Latest > 0 && taken == s.o.Latest {
				break
			}
			why, err := s.add(ctx, ref)
			if err != nil {
				why, err = s.spare(ctx, ref, err)
			}
			switch {
			case errors.Is(err, datastore.ErrNotFound): // removed meanwhile
			case err != nil:
				return fmt.Errorf("publish %s: %w", ref, err)
			case why != "":
				s.leftOut = append(s.leftOut, LeftOut{ref.String(), why})
			default:
				taken++
			}
		}
	}
	s.settle()
	if len(s.packages) == 0 {
		var text strings.Builder
		text.WriteString("nothing that was asked for can be published")
		for _, l := range s.leftOut {
			text.WriteString("\n  " + l.What + ": " + l.Why)
		}
		return job.BadRequest(errors.New(text.String()))
	}
	return nil
}

// spare makes the damage of a snapshot the reason to leave it out: one of a group shall not keep the others back. Where a kernel
// of it is published, clients would lose that, so the damage stays an error.
func (s *selection) spare(ctx context.Context, ref datastore.Ref, err error) (why string, _ error) {
	if ctx.Err() != nil || !errors.As(err, new(*datastore.DamagedError)) {
		return "", err
	}
	for _, p := range s.current {
		if p.Kernel && p.Snapshot.String() == ref.String() {
			return "", fmt.Errorf("%w; its kernel %s is published, and without this snapshot clients would lose it: get the snapshot back from a copy of the datastore (ovzpatch store copy), or take the kernel out with --retire %[2]s --reason TEXT", err, p.NEVRA())
		}
	}
	return "it is damaged: " + err.Error(), nil
}

// add takes the packages of one snapshot; why says that it has none to publish.
func (s *selection) add(ctx context.Context, ref datastore.Ref) (why string, err error) {
	if err := s.bad[ref.String()]; err != nil {
		return "", err
	}
	if s.readers[ref] != nil {
		return "", nil
	}
	r, err := s.store.OpenSnapshot(ctx, ref)
	if err != nil {
		return "", err
	}
	packages, why, err := s.look(ctx, r)
	if err != nil || why != "" {
		return why, errors.Join(err, r.Close())
	}
	s.readers[ref] = r
	s.packages = append(s.packages, packages...)
	return "", nil
}

// look returns the packages of a snapshot that may be published.
func (s *selection) look(ctx context.Context, r *datastore.Reader) (list []Package, why string, err error) {
	if err := r.Whole(); err != nil {
		return nil, "", err
	}
	if !slices.ContainsFunc(r.Manifest.Files, func(f datastore.File) bool { return strings.HasSuffix(f.Name, ".rpm") }) {
		return nil, "it holds no package", nil
	}
	sources := map[string]bool{}
	var all []Package
	for _, f := range r.Manifest.Files {
		if !strings.HasSuffix(f.Name, ".rpm") {
			continue
		}
		p, err := s.open(ctx, r, f)
		if err != nil {
			return nil, "", err
		}
		if p.Source {
			sources[p.File] = true
		}
		all = append(all, p)
	}
	for _, p := range all {
		if !p.Source && !sources[p.Origin] {
			return nil, fmt.Sprintf("the source RPM of %s is not in the snapshot: %q", p.File, p.Origin), nil
		}
	}
	kernels, why := s.judge(r, all)
	if why != "" {
		return nil, why, nil
	}
	for _, p := range all {
		if s.wanted(p) && published(kernels, p) {
			list = append(list, p)
		}
	}
	if !slices.ContainsFunc(list, func(p Package) bool { return !p.Source }) {
		return nil, "it has no package for --arch " + strings.Join(s.o.Archs, ","), nil
	}
	return list, "", nil
}

// wanted reports whether a package is for one of the architectures.
func (s *selection) wanted(p Package) bool {
	return len(s.o.Archs) == 0 || p.Source || p.Arch == "noarch" || slices.Contains(s.o.Archs, p.Arch)
}

// open reads what a package is, and makes sure that the manifest does not lie of it. Of one that was
// published already that is known.
func (s *selection) open(ctx context.Context, r *datastore.Reader, f datastore.File) (p Package, err error) {
	if was, known := s.known[f.SHA256]; known && was.File == f.Name {
		return Package{
			File: was.File, Name: was.Name, Version: was.Version, Arch: was.Arch, Origin: was.Origin, Source: was.Source, Kernel: was.Kernel,
			Snapshot: r.Ref, SHA256: was.SHA256, Time: r.Manifest.Finished,
		}, nil
	}
	pkg, err := kernelrpm.Open(ctx, r.Path(f.Name))
	if err != nil {
		return p, datastore.Damage(err)
	}
	defer pkg.Close()
	p = Package{
		File: f.Name, Name: pkg.Name(), Version: strings.TrimSuffix(strings.TrimPrefix(pkg.NEVRA(), pkg.Name()+"-"), "."+archOf(pkg)),
		Arch: pkg.Arch(), Origin: pkg.SourceRPM(), Source: pkg.Source, Kernel: pkg.Image() != "",
		Snapshot: r.Ref, SHA256: f.SHA256, Time: r.Manifest.Finished,
	}
	if want := p.Name + "-" + pkg.Version() + "-" + pkg.Release() + "." + archOf(pkg) + ".rpm"; f.Name != want && !(p.Source && f.Name == strings.Replace(want, ".src.rpm", ".nosrc.rpm", 1)) {
		return p, datastore.Damage(fmt.Errorf("%s holds the package %s: its name does not say what it is", f.Name, want))
	}
	if !s.o.Resign {
		signed, err := pkg.Signed()
		if err != nil {
			return p, err
		}
		if signed {
			return p, job.BadRequest(fmt.Errorf("%s is signed already: publishing would replace that signature with yours; add --resign to allow it", f.Name))
		}
	}
	return p, nil
}

func archOf(p *kernelrpm.Package) string {
	if p.Source {
		return "src"
	}
	return p.Arch()
}
