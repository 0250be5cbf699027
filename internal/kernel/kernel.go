// SPDX-License-Identifier: GPL-2.0-only

// Package kernel tells which kernel a source is, from the text of its top Makefile:
// the version, the OpenVZ and Red Hat release, and the line, which is the family of
// kernels that one port of the patch fits.
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

// The lines there are.
const (
	RHEL5    Line = "rhel5-2.6.18"
	RHEL6    Line = "rhel6-2.6.32"
	VZ7      Line = "vz7-3.10"
	VZ8      Line = "vz8-4.18"
	VZ9      Line = "vz9-5.14"
	Mainline Line = "mainline-6.1"
)

// ErrNotKernel is for a source whose top Makefile is not a kernel's.
var ErrNotKernel = errors.New("not a kernel source")

// ErrNoLine is for a kernel that belongs to no line.
var ErrNoLine = errors.New("no line fits this kernel")

// Kernel is what a top Makefile says of itself.
type Kernel struct {
	Version, Patchlevel, Sublevel int
	Extra                         string // EXTRAVERSION, as "-028stab056" or ".8-028stab056"
	VZ                            string // VZVERSION of OpenVZ's Makefiles, as "042stab141"
	RHEL                          string // RHEL_MAJOR.RHEL_MINOR, "" where there is none
}

var assignment = regexp.MustCompile(`^([A-Z_]+)[ \t]*:?=[ \t]*(.*?)[ \t]*(?:#.*)?$`)

// Identify reads the top Makefile of a source. Only the assignments before the first
// rule count, as they do for make.
func Identify(makefile []byte) (Kernel, error) {
	var k Kernel
	seen := map[string]string{}
	for line := range strings.Lines(string(makefile)) {
		m := assignment.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		if _, again := seen[m[1]]; !again {
			seen[m[1]] = m[2]
		}
	}
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
	if major := seen["RHEL_MAJOR"]; major != "" {
		k.RHEL = major + "." + seen["RHEL_MINOR"]
	}
	for _, word := range []string{k.Extra, k.VZ, k.RHEL} {
		if !plain.MatchString(word) {
			return k, fmt.Errorf("%w: its Makefile's version holds %q", ErrNotKernel, word)
		}
	}
	return k, nil
}

// What is read here ends up in file names and in a spec, so only plain words pass.
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

// Release is what an RPM's release starts with: what follows the first dash of
// EXTRAVERSION, or the OpenVZ version; "" for a plain kernel.
func (k Kernel) Release() string {
	rest := strings.TrimPrefix(strings.TrimPrefix(k.Extra, k.Stable()), "-")
	if rest == "" {
		rest = k.VZ
	}
	return strings.ReplaceAll(rest, "-", ".")
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

// Line finds the line the kernel belongs to. The older ones are OpenVZ's own numbers;
// everything from 5.9 on, where can_umount was split off, is mainline, but for 5.14
// with an OpenVZ or Red Hat mark.
func (k Kernel) Line() (Line, error) {
	openvz := k.VZ != "" || strings.Contains(k.Extra, "stab") || strings.Contains(k.Extra, "vz")
	switch base := k.Base(); {
	case base == "2.6.18":
		return RHEL5, nil
	case base == "2.6.32":
		return RHEL6, nil
	case base == "3.10.0":
		return VZ7, nil
	case base == "4.18.0":
		return VZ8, nil
	case base == "5.14.0" && (openvz || k.RHEL != ""):
		return VZ9, nil
	case k.AtLeast(5, 9, 0):
		return Mainline, nil
	}
	return "", fmt.Errorf("%w: %s", ErrNoLine, k)
}
