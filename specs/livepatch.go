// SPDX-License-Identifier: Apache-2.0

package specs

import (
	"fmt"
	"regexp"
	"strconv"
)

// LivepatchName is the file name of the spec for the livepatch's package.
const LivepatchName = "livepatch.spec"

// Livepatch fills the first block of that spec.
type Livepatch struct {
	Kernel   string // as uname -r says
	Module   string // the module's name, without .ko
	Revision int
	// Needs is what only the package of this kernel provides, and NeedsVersion the version of
	// that; "" for a kernel that is not from a package.
	Needs, NeedsVersion string
}

var (
	release = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]*$`)
	// uncalled are characters that may be in a release, but not in the name of a unit.
	uncalled = regexp.MustCompile(`[+~]`)
)

// Spec returns the spec filled in.
func (l Livepatch) Spec() ([]byte, error) {
	if !release.MatchString(l.Kernel) {
		return nil, fmt.Errorf("fill in spec: %q is no kernel's release", l.Kernel)
	}
	return fill(LivepatchName, []field{
		{"lkernel", []string{l.Kernel}},
		{"lmodule", []string{l.Module}},
		{"lrevision", []string{strconv.Itoa(l.Revision)}},
		{"lcalled", []string{uncalled.ReplaceAllString(l.Kernel, "_")}},
		{"lneeds", []string{l.Needs}},
		{"lneedsver", []string{l.NeedsVersion}},
	})
}
