// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Reader is the rpm of the systems that a package is for.
type Reader struct {
	System      string   // whose it is, for people
	Version     string   // "4.8.0"
	Compressors []string // of payloads, as packages call them
}

// Unreadable tells why this rpm does not take the package, a sentence each; nil where
// nothing is known against it.
func (f *File) Unreadable(r Reader) []string {
	var reasons []string
	if f.Header.Has(TagRPMFormat) {
		reasons = append(reasons, "it has format 6, and every rpm reads format 4")
	}
	if c := f.Header.String(TagPayloadCompressor); c != "" && !slices.Contains(r.Compressors, c) {
		reasons = append(reasons, "its payload is compressed by "+c)
	}
	for _, d := range f.Requires() {
		// The version of what a package wants of rpm is that of the rpm it came with. Those of
		// compressions are of another rpm, rpm 5.
		if feature := d.Flags&RPMLib != 0; !feature || strings.HasPrefix(d.Name, "rpmlib(PayloadIs") {
			continue
		}
		if slices.Compare(versionNumbers(d.Version), versionNumbers(r.Version)) > 0 {
			reasons = append(reasons, fmt.Sprintf("it requires %s of rpm, which came with %s", d.Name, strings.TrimSuffix(d.Version, "-1")))
		}
	}
	return reasons
}

// versionNumbers returns the numbers of a version, without its release.
func versionNumbers(version string) []int {
	version, _, _ = strings.Cut(version, "-")
	var numbers []int
	for _, part := range strings.Split(version, ".") {
		n, _ := strconv.Atoi(part) // what is no number is as old as can be
		numbers = append(numbers, n)
	}
	return numbers
}
