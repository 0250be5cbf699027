// SPDX-License-Identifier: Apache-2.0

package adopt

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/kernel"
)

// build is the packages of one build.
type build struct {
	kernel, source *item
	others         []*item // binary packages besides the kernel
}

// all are the packages, the kernel first and the source last.
func (b *build) all() []*item {
	return slices.Concat([]*item{b.kernel}, b.others, []*item{b.source})
}

// file is what a package's file is called, whatever it is called where it comes from.
func (b *build) file(i *item) string {
	if i.Source {
		return b.kernel.SourceRPM() // which knows .src from .nosrc
	}
	return fileName(i)
}

func fileName(i *item) string {
	c := i.contents
	return c.Name + "-" + c.Version + "-" + c.Release + "." + c.Arch + ".rpm"
}

// sort finds out what each package is, and refuses what is no build of one kernel.
func sort(set []*item) (*build, error) {
	b := &build{}
	seen := map[string]string{}
	for _, i := range set {
		if first, twice := seen[i.NEVRA()]; twice {
			return nil, fmt.Errorf("%s and %s are the same package, %s; name it once", first, i.path, i.NEVRA())
		}
		seen[i.NEVRA()] = i.path
		switch {
		case i.Source && b.source != nil:
			return nil, fmt.Errorf("%s and %s are both source packages, and a build has one", b.source.path, i.path)
		case i.Source:
			b.source = i
		case i.Image() == "":
			b.others = append(b.others, i)
		case b.kernel != nil:
			return nil, fmt.Errorf("%s and %s both hold a kernel, and a snapshot from elsewhere holds one, which is what ovzpatch test --store tries: add each by itself, with its own packages", b.kernel.path, i.path)
		default:
			b.kernel = i
		}
	}
	if b.kernel == nil {
		return nil, errors.New("none of them holds a kernel image (/boot/vmlinuz-* or /lib/modules/*/vmlinuz): name the kernel's package, too; on newer systems it is called kernel-core")
	}
	return b, b.check()
}

// check finds packages of other builds and machines among them, and what is missing.
func (b *build) check() error {
	arch, err := kernel.Arch(b.kernel.Arch())
	if err != nil {
		return fmt.Errorf("%s is for %s, and ovzpatch tries kernels for x86_64 and i686", b.kernel.path, b.kernel.Arch())
	}
	for _, i := range b.others {
		if other, err := kernel.Arch(i.Arch()); i.Arch() != "noarch" && (err != nil || other != arch) {
			return fmt.Errorf("%s is for %s, and the kernel for %s", i.path, i.Arch(), b.kernel.Arch())
		}
		if i.SourceRPM() != b.kernel.SourceRPM() {
			return fmt.Errorf("%s was built from %s, and the kernel from %s: they are not of one build", i.path, i.SourceRPM(), b.kernel.SourceRPM())
		}
	}
	devel := b.kernel.DevelNames()
	if !slices.ContainsFunc(b.others, func(i *item) bool { return slices.Contains(devel, fileName(i)) }) {
		return fmt.Errorf("the kernel's -devel package is missing, and ovzpatch test builds its probe against it: name %s, too", strings.Join(devel, " or "))
	}
	if b.source == nil {
		return fmt.Errorf("the source package is missing, and whoever publishes the kernel must pass it on: name %s, too", b.kernel.SourceRPM())
	}
	return b.checkSource()
}

// checkSource compares the source package with what the others say of it. rpmbuild -ba notes in
// them which file it was; what is built of a source package, as mock and Koji do, has its name
// only.
func (b *build) checkSource() error {
	plain := fileName(b.source)
	if name := b.kernel.SourceRPM(); name != plain && name != strings.TrimSuffix(plain, ".src.rpm")+".nosrc.rpm" {
		return fmt.Errorf("%s is not the source package of this build, which is called %s", b.source.path, name)
	}
	is := b.source.PackageID()
	for _, i := range append([]*item{b.kernel}, b.others...) {
		if want := i.SourceID(); want != nil && is != nil && !bytes.Equal(want, is) {
			return fmt.Errorf("%s is not the source package of this build, though it has its name: %s was built with another (MD5 %x, and not %x)", b.source.path, i.path, want, is)
		}
	}
	return nil
}

// sourceKnown reports whether the packages say which file the source package is.
func (b *build) sourceKnown() bool { return b.source.PackageID() != nil && b.kernel.SourceID() != nil }
