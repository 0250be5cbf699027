// SPDX-License-Identifier: Apache-2.0

package kernel

import "strings"

// moduleDirs are the directories of a kernel's modules; the second is for systems where /lib is a
// link to /usr/lib.
var moduleDirs = []string{"/lib/modules/", "/usr/lib/modules/"}

// ImageRelease returns the release, as uname -r says it, of the kernel whose image has this
// absolute path in a package, and whether the path is an image's.
func ImageRelease(path string) (release string, ok bool) {
	if release, ok := strings.CutPrefix(path, "/boot/vmlinuz-"); ok {
		return release, release != "" && !strings.Contains(release, "/")
	}
	for _, dir := range moduleDirs {
		rest, found := strings.CutPrefix(path, dir)
		release, name, _ := strings.Cut(rest, "/")
		if found && name == "vmlinuz" && release != "" {
			return release, true
		}
	}
	return "", false
}

// InModules reports whether a file is below a kernel's module directory.
func InModules(path string) bool {
	for _, dir := range moduleDirs {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}

// IsModule reports whether a file is a module, compressed or not.
func IsModule(path string) bool {
	base := path[strings.LastIndexByte(path, '/')+1:]
	return InModules(path) && (strings.HasSuffix(base, ".ko") || strings.Contains(base, ".ko."))
}
