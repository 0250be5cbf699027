// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/job"
)

// Profile is a generation of clients, for which there is one repository. What each of them can
// read was measured; docs/publish.md has the table.
type Profile string

// The generations of clients, the oldest first.
const (
	RHEL5  Profile = "rhel5"
	RHEL6  Profile = "rhel6"
	Modern Profile = "modern"
)

// Profiles are all of them.
var Profiles = []Profile{RHEL5, RHEL6, Modern}

// ParseProfile reads a profile's name.
func ParseProfile(name string) (Profile, error) {
	if !slices.Contains(Profiles, Profile(name)) {
		var all []string
		for _, p := range Profiles {
			all = append(all, string(p))
		}
		return "", job.BadRequest(fmt.Errorf("profile %q: it must be one of %s", name, strings.Join(all, ", ")))
	}
	return Profile(name), nil
}

// checksum is the algorithm of the metadata, as the metadata call it.
func (p Profile) checksum() string {
	if p == RHEL5 {
		return "sha" // python 2.4 has no SHA-256
	}
	return "sha256"
}

// compression is that of the metadata.
func (p Profile) compression() string {
	if p == Modern {
		return "xz"
	}
	return "gz"
}

// old reports whether the clients take RSA signatures only.
func (p Profile) old() bool { return p != Modern }
