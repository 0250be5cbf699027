// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Reader is the version of rpm on the systems that a package is for.
type Reader struct {
	System      string   // which systems have it, for people
	Version     string   // "4.8.0"
	Compressors []string // of payloads, as packages call them
}

// Unreadable returns the reasons why this rpm does not accept the package, a sentence each; nil
// if none is known.
func (f *File) Unreadable(r Reader) []string {
	var reasons []string
	if f.Header.Has(TagRPMFormat) {
		reasons = append(reasons, "it has format 6; format 4 is the one that every rpm reads")
	}
	if c := f.Header.String(TagPayloadCompressor); c != "" && !slices.Contains(r.Compressors, c) {
		reasons = append(reasons, "its payload is compressed by "+c)
	}
	for _, d := range f.Requires() {
		// A package requires a feature of rpm by the version of rpm that introduced it. For
		// compressions that is a version of another rpm, rpm 5.
		if feature := d.Flags&RPMLib != 0; !feature || strings.HasPrefix(d.Name, "rpmlib(PayloadIs") {
			continue
		}
		if slices.Compare(versionNumbers(d.Version), versionNumbers(r.Version)) > 0 {
			reasons = append(reasons, fmt.Sprintf("it requires %s of rpm, which came with %s", d.Name, strings.TrimSuffix(d.Version, "-1")))
		}
	}
	return reasons
}

// versionNumbers returns the numbers in a version, without the release.
func versionNumbers(version string) []int {
	version, _, _ = strings.Cut(version, "-")
	var numbers []int
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part) // what is not a number counts as the oldest
		numbers = append(numbers, n)
	}
	return numbers
}
