// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/source"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/srpm"
	"ovzpatch/patches"
	"ovzpatch/specs"
)

// epoch is the only time in packages from our own spec, which keeps them reproducible.
var epoch = time.Unix(1_700_000_000, 0)

// both adds the recipe without the patch to one whose spec has our switch.
func both(with *Recipe) *Sides {
	without := *with
	without.Patched, without.Without = false, append(slices.Clone(with.Without), ownSwitch)
	return &Sides{With: with, Without: &without}
}

// archive returns the tarball to build from, which is the source or a packed tree, and its top directory.
func (m maker) archive(ctx context.Context) (path, top string, err error) {
	if m.Source.Kind != source.Tree {
		return m.Source.Path, m.Files.Top, nil
	}
	m.u.Say("packing the tree")
	top = "linux-" + m.Kernel.Base() + m.Kernel.Stable()
	ext := ".tar.gz"
	if m.Kernel.KnowsZstd() {
		ext = ".tar.zst"
	}
	path = filepath.Join(m.Dir, top+ext)
	return path, top, m.Source.Pack(ctx, path, top, m.o.Outputs)
}

// ownSpec makes the recipes for a tarball, which gets our own spec.
func (m maker) ownSpec(archive, top string) (*Sides, error) {
	arch, err := kernel.Arch(m.o.Target)
	if err != nil {
		return nil, err
	}
	flavour, err := m.o.ownFlavour(arch)
	if err != nil {
		return nil, err
	}
	configName, config, err := m.Config(m.o.Config, arch)
	if err != nil {
		return nil, err
	}
	if m.o.Config == "" && !m.o.Trial {
		config = specs.InstalledConfig(m.Line, config)
	}
	config, needs := specs.FlavourConfig(flavour, config), specs.FlavourNeeds(flavour)
	config, more, tag, err := m.overlaid(config)
	if err != nil {
		return nil, err
	}
	needs = append(needs, more...)
	r := &Recipe{
		Patched: true, Port: m.Name, Touched: m.Touched(), With: m.o.With, Without: m.o.Without, Source: archive,
		Inputs: srpm.Inputs{
			Date: epoch, Target: m.o.Target,
			Files: map[string]string{filepath.Base(archive): archive},
			Texts: map[string][]byte{configName: config, m.Name: m.Port},
		},
	}
	v := specs.Values{
		Base: m.Kernel.Base(), Stable: m.Kernel.Stable(), Release: "1", Tag: m.o.Tag,
		Archive: filepath.Base(archive), Top: top, Port: m.Name, Config: configName, Flavour: flavour, Needs: needs,
	}
	if own := m.Kernel.Release(); own != "" {
		v.Release = own + ".1"
	}
	if m.o.Compat {
		compat, err := m.compat()
		if err != nil {
			return nil, err
		}
		for _, p := range compat {
			r.Texts[p.Name] = p.Data
			v.Compat = append(v.Compat, p.Name)
		}
		v.Release += compatTag
	}
	v.Release += tag
	text, err := specs.Spec(v)
	if err != nil {
		return nil, err
	}
	r.Spec = spec.Read(specs.Name, text)
	if m.Package != nil {
		r.Source = m.Source.Path
	}
	m.readable(r)
	return both(r), nil
}

// compatTag marks a test build, so that nobody takes it for one for production.
const compatTag = ".compat"

// compat returns the patches that --compat adds, and reports what they were tried on. The patches of a line are
// always used together, so the first one's header speaks for all.
func (m maker) compat() ([]patches.Patch, error) {
	list := patches.Compat(m.Line)
	if len(list) == 0 {
		return nil, job.BadRequest(fmt.Errorf("--compat: line %s does not need it, today's compilers build it", m.Line))
	}
	for _, tried := range list[0].Tried {
		m.u.Say("--compat tried on %s", tried)
	}
	return list, nil
}

// binaryPayload chooses a compression that the kernel's own rpm knows.
func (m maker) binaryPayload() string {
	if m.Kernel.KnowsZstd() {
		return "_binary_payload w3.zstdio"
	}
	return "_binary_payload w6.gzdio"
}

// readable chooses compression and digests that the kernel's own rpm knows, for a recipe with our spec. A
// foreign package keeps those of its original.
func (m maker) readable(r *Recipe) {
	r.Reader, r.FileDigest = readerOf(m.Kernel), 0
	if !m.Kernel.AtLeast(4, 18, 0) {
		r.FileDigest = 1
	}
	r.Defines = append([]string{m.binaryPayload(), "_source_payload w.ufdio"}, m.o.Defines...)
}
