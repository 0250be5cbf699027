// SPDX-License-Identifier: Apache-2.0

package adopt

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/terminal"
)

// elsewhere begins the options of a build that another system made.
const elsewhere = "built elsewhere"

// Elsewhere reports whether a snapshot holds a build that another system made: then its time is
// that of its taking.
func Elsewhere(m *datastore.Manifest) bool {
	return len(m.Options) > 0 && strings.HasPrefix(m.Options[0], elsewhere)
}

// maxPatch is how many bytes a patch may have in which the port's message is looked for.
const maxPatch = 64 << 20

// describe makes the manifest, of what the packages themselves show.
func (b *build) describe(ctx context.Context, u job.Reporter) (*datastore.Manifest, error) {
	if !b.sourceKnown() {
		u.Say("NOT checked: whether %s is exactly the source package: what mock and Koji build records only its name", b.source.path)
	}
	spec, ports, err := b.sources(ctx)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", b.source.path, err)
	}
	m := &datastore.Manifest{
		Spec:    spec,
		Options: []string{elsewhere + ", taken by ovzpatch store add; build host, as the packages say: " + claim(b.kernel, rpmfile.TagBuildHost)},
		// rpmbuild --version says it so.
		Toolchain: map[string]string{"rpmbuild": "RPM version " + claim(b.kernel, rpmfile.TagRPMVersion)},
	}
	var names []string
	for _, p := range ports {
		names = append(names, p.Name)
	}
	patched := b.kernel.contents.Patched
	switch {
	case patched == nil:
		m.Port.Name = datastore.UnknownPort
		m.Derived = "whether the patch is in the kernel is not known, as its image could not be read"
	case !*patched && len(ports) > 0:
		u.Say("the kernel's image does not hold the patch's message, though the source package has it (%s): noted as built without the patch", strings.Join(names, ", "))
	case !*patched:
		u.Say("the kernel's image does not hold the patch's message: noted as built without the patch")
	case len(ports) == 1:
		m.Port = ports[0]
	default:
		m.Port.Name = datastore.UnknownPort
		m.Derived = "the kernel's image holds the patch's message, and no patch of the source package does: it may be in the sources themselves"
		if len(ports) > 1 {
			m.Derived = "the kernel's image holds the patch's message, and so do several patches of the source package: " + strings.Join(names, ", ")
		}
	}
	if m.Derived != "" {
		u.Say("%s", m.Derived)
	}
	return m, nil
}

// claim is what a package says of itself; "unknown" where it says nothing.
func claim(i *item, tag rpmfile.Tag) string {
	if s := i.Header.String(tag); s != "" {
		return terminal.Line(s)
	}
	return "unknown"
}

// sources reads the spec in the source package, and which of its patches hold the port's message.
func (b *build) sources(ctx context.Context) (spec datastore.Input, ports []datastore.Input, err error) {
	patches := b.source.Header.Strings(rpmfile.TagPatch)
	var specs, names []string
	for _, f := range b.source.Files {
		switch {
		case !f.Mode.IsRegular() || f.Flags&rpmfile.FileGhost != 0 || f.Size > maxPatch:
		case f.Flags&rpmfile.FileSpec != 0 || strings.HasSuffix(f.Name, ".spec"):
			specs = append(specs, f.Name)
			names = append(names, f.Name)
		case slices.Contains(patches, f.Name):
			names = append(names, f.Name)
		}
	}
	texts, err := b.source.ReadFiles(ctx, names...)
	if err != nil {
		return spec, nil, err
	}
	input := func(name string) datastore.Input {
		return datastore.Input{Name: name, SHA256: cache.SHA256(texts[name])}
	}
	if len(specs) == 1 {
		spec = input(specs[0])
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if !slices.Contains(specs, name) && bytes.Contains(texts[name], []byte(gate.MessageHead)) {
			ports = append(ports, input(name))
		}
	}
	return spec, ports, nil
}
