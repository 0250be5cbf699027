// SPDX-License-Identifier: Apache-2.0

// Package patches embeds the ports of the patch, one directory per line of kernels,
// and what their headers say of them.
package patches

import (
	"embed"
	"fmt"
	"io/fs"
	"sort"
	"strings"
)

// Name is the file name of every port.
const Name = "ovz-kernel-lustre-umount.patch"

//go:embed */*.patch
var files embed.FS

// Port is the patch for one line.
type Port struct {
	Line  string
	Data  []byte
	Tried []string // what the header's Tried-on lines say
}

// Lines names the lines there is a port for.
func Lines() []string {
	paths, _ := fs.Glob(files, "*/"+Name) // the pattern is constant, so it can't be bad
	var lines []string
	for _, p := range paths {
		lines = append(lines, strings.TrimSuffix(p, "/"+Name))
	}
	return lines
}

// ForLine returns the port for a line. An unknown line's error lists those there are.
func ForLine(line string) (Port, error) {
	data, err := files.ReadFile(line + "/" + Name)
	if err != nil {
		return Port{}, fmt.Errorf("no port for line %q; the lines are %s", line, strings.Join(Lines(), ", "))
	}
	return Port{Line: line, Data: data, Tried: triedOn(data)}, nil
}

// triedOn returns what a patch's header says it was tried on.
func triedOn(data []byte) []string {
	var list []string
	header, _, _ := strings.Cut(string(data), "\n---\n")
	for l := range strings.Lines(header) {
		if tried, ok := strings.CutPrefix(l, "Tried-on:"); ok {
			list = append(list, strings.TrimSpace(tried))
		}
	}
	return list
}

// Patch is one named patch file.
type Patch struct {
	Name  string
	Data  []byte
	Tried []string // what the header's Tried-on lines say
}

// Compat returns what a line's sources need to build with today's compilers, in the
// order to be applied; none for most lines.
func Compat(line string) []Patch {
	paths, _ := fs.Glob(files, line+"/compat-*.patch")
	sort.Strings(paths)
	var out []Patch
	for _, p := range paths {
		data, _ := files.ReadFile(p) // it was just listed in the embedded tree
		out = append(out, Patch{Name: strings.TrimPrefix(p, line+"/"), Data: data, Tried: triedOn(data)})
	}
	return out
}
