// SPDX-License-Identifier: Apache-2.0

// Package kernel finds out which kernel a source is, from the text of its top Makefiles and the
// release of its source RPM: the version, the OpenVZ version, and the line, that is, the family
// of kernels that one port of the patch fits.
package kernel

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Line names a family of kernels that one port fits; it is the name of the port's
// directory under patches/.
type Line string

// All lines.
const (
	RHEL5    Line = "rhel5-2.6.18"
	RHEL6    Line = "rhel6-2.6.32"
	VZ7      Line = "vz7-3.10"
	VZ8      Line = "vz8-4.18"
	VZ9      Line = "vz9-5.14"
	Mainline Line = "mainline-6.1"
)

// ErrNotKernel means that the top Makefile of a source is not a kernel's.
var ErrNotKernel = errors.New("not a kernel source")

// ErrNoLine means that a kernel belongs to no line.
var ErrNoLine = errors.New("no line fits this kernel")

// Kernel is what a source's top Makefile says.
type Kernel struct {
	Version, Patchlevel, Sublevel int
	Extra                         string // EXTRAVERSION, as ".8-028stab056" or "-42.ovz9.16.6"
	VZ                            string // OpenVZ's own version, as "042stab141" or "ovz9.16.6"
}

// KnowsZstd tells whether the rpm of the kernel's own distributions knows that compression.
func (k Kernel) KnowsZstd() bool { return k.AtLeast(4, 18, 0) }

// Identify reads the top Makefile of a source and the Makefile.rhelver that Red Hat's Makefile
// includes since 4.18, or nil. OpenVZ's EXTRAVERSION uses the build number in it.
func Identify(makefile, rhelver []byte) (Kernel, error) {
	var k Kernel
	seen := variables{}
	seen.read(rhelver)
	seen.read(makefile)
	number := func(name string) (int, error) {
		n, err := strconv.Atoi(seen[name])
		if err != nil || n < 0 {
			return 0, fmt.Errorf("%w: its Makefile has no number for %s", ErrNotKernel, name)
		}
		return n, nil
	}
	var err error
	if k.Version, err = number("VERSION"); err != nil {
		return k, err
	}
	if k.Patchlevel, err = number("PATCHLEVEL"); err != nil {
		return k, err
	}
	if k.Sublevel, err = number("SUBLEVEL"); err != nil {
		return k, err
	}
	k.Extra = seen["EXTRAVERSION"]
	k.VZ = seen["VZVERSION"]
	for _, word := range []string{k.Extra, k.VZ} {
		if !plain.MatchString(word) {
			return k, fmt.Errorf("%w: its Makefile's version holds %q", ErrNotKernel, word)
		}
	}
	return k, nil
}

// InPackage adds what the release of the source RPM says. OpenVZ's packages hold the tarball that
// their patches start from, whose Makefile does not mention OpenVZ.
func (k *Kernel) InPackage(release string) {
	if k.VZ == "" {
		k.VZ = packaged.FindString(release)
	}
}

// packaged matches OpenVZ's part of a release, as in 92.1.18.el5.028stab060.2, 042stab141.3,
// 1160.114.2.vz7.222.9 and 427.44.1.vz9.80.6.
var packaged = regexp.MustCompile(`\b(0\d\dstab|o?vz\d+\.)[0-9][A-Za-z0-9._]*`)

// These values end up in file names and in a spec, so only plain words pass.
var plain = regexp.MustCompile(`^[A-Za-z0-9._+~-]*$`)

// Base is VERSION.PATCHLEVEL.SUBLEVEL.
func (k Kernel) Base() string {
	return fmt.Sprintf("%d.%d.%d", k.Version, k.Patchlevel, k.Sublevel)
}

// Stable is the part of EXTRAVERSION that continues the version, as ".8" in
// 2.6.18.8-028stab056.
func (k Kernel) Stable() string {
	if !strings.HasPrefix(k.Extra, ".") {
		return ""
	}
	stable, _, _ := strings.Cut(k.Extra, "-")
	return stable
}

// Release is the start of an RPM's release: what follows the first dash of EXTRAVERSION, or the
// OpenVZ version; "" for a plain kernel.
func (k Kernel) Release() string {
	rest := strings.TrimPrefix(strings.TrimPrefix(k.Extra, k.Stable()), "-")
	if rest == "" {
		rest = k.VZ
	}
	return strings.Trim(strings.ReplaceAll(rest, "-", "."), ".")
}

// String is the kernel's full name, as "2.6.18.8-028stab056".
func (k Kernel) String() string {
	s := k.Base() + k.Stable()
	if r := k.Release(); r != "" {
		s += "-" + r
	}
	return s
}

// AtLeast reports whether the kernel is version.patchlevel or newer.
func (k Kernel) AtLeast(version, patchlevel, sublevel int) bool {
	for _, pair := range [][2]int{{k.Version, version}, {k.Patchlevel, patchlevel}, {k.Sublevel, sublevel}} {
		if pair[0] != pair[1] {
			return pair[0] > pair[1]
		}
	}
	return true
}

// OpenVZ reports whether anything says that the kernel is OpenVZ's.
func (k Kernel) OpenVZ() bool {
	return k.VZ != "" || strings.Contains(k.Extra, "stab") || strings.Contains(k.Extra, "vz")
}

// bases are the kernels on which OpenVZ's lines are based.
var bases = map[string]Line{"2.6.18": RHEL5, "2.6.32": RHEL6, "3.10.0": VZ7, "4.18.0": VZ8, "5.14.0": VZ9}

// Line returns the line that the kernel belongs to. Ports for OpenVZ's lines ask for the VE of
// the caller, which only OpenVZ's kernels have. Every other kernel since 5.9, where can_umount
// was split off, is mainline.
func (k Kernel) Line() (Line, error) {
	line, based := bases[k.Base()]
	switch {
	case based && k.OpenVZ():
		return line, nil
	case !k.OpenVZ() && k.AtLeast(5, 9, 0):
		return Mainline, nil
	case based:
		return "", fmt.Errorf("%w: %s, whose Makefile does not mention OpenVZ", ErrNoLine, k)
	}
	return "", fmt.Errorf("%w: %s", ErrNoLine, k)
}
