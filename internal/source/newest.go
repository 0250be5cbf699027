// SPDX-License-Identifier: Apache-2.0

package source

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// Debian are where Debian's package linux-source puts the kernel source of its
// release: linux-source-6.1.tar.xz on Debian 12, 6.12 on 13.
const Debian = "/usr/src/linux-source-*.tar.*"

// Newest is the file of the highest version that a pattern matches, "" for none. A
// machine that went from one release to the next has the older source, too.
func Newest(pattern string) string {
	found, _ := filepath.Glob(pattern) // patterns of ours only
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return slices.Compare(versionOf(a), versionOf(b)) })
}

// versionOf returns the numbers in the name of a file.
func versionOf(path string) []int {
	var numbers []int
	for _, digits := range digitsInName.FindAllString(filepath.Base(path), -1) {
		n, _ := strconv.Atoi(digits) // digits
		numbers = append(numbers, n)
	}
	return numbers
}

var digitsInName = regexp.MustCompile(`[0-9]{1,9}`)
