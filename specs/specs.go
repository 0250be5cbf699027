// SPDX-License-Identifier: Apache-2.0

// Package specs embeds the project's own spec and the small kernel configurations for
// guests, and fills the spec in for a source.
package specs

import (
	"embed"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Name is the file name of the spec.
const Name = "kernel-ovz.spec"

// DevelArchive is what it makes for a trial, in the topdir, in place of the -devel package: the build tree
// that would be in that.
const DevelArchive = "devel.tar"

//go:embed kernel-ovz.spec livepatch.spec guest-*.config debug.config installed.config livepatch.config
var files embed.FS

// Own tells whether a spec is this one, filled in. OpenVZ's own source RPMs have a spec of
// the same name.
func Own(spec []byte) bool { return own.Match(spec) }

var own = regexp.MustCompile(`(?m)^%bcond_without ovzpatch$`)

// Values fill the first block of the spec; see there what each is.
type Values struct {
	Base    string   // kernel version, three numbers
	Stable  string   // what continues it, with its dot, or ""
	Release string   // of the packages, without the mark of the patch
	Tag     string   // that mark, with its dot, or ""
	Archive string   // file name of the tarball
	Top     string   // its one top directory
	Port    string   // file name of the patch
	Config  string   // file name of the configuration
	Compat  []string // file names of patches for today's compilers
	Flavour string   // one of Flavours, or "" for the plain kernel
	Needs   []string // options that the configuration must have in the end
}

// safe holds what may stand in a spec's value: no macro, no shell, no white space.
var safe = regexp.MustCompile(`^[A-Za-z0-9._+~=/-]*$`)

// Spec returns the spec filled in. A value that rpm or a shell could read as more than
// a word is an error.
func Spec(v Values) ([]byte, error) {
	return fill(Name, []field{
		{"kbase", []string{v.Base}},
		{"kstable", []string{v.Stable}},
		{"krelease", []string{v.Release}},
		{"ktag", []string{v.Tag}},
		{"karchive", []string{v.Archive}},
		{"kunpack", []string{unpacker(v.Archive)}},
		{"ktop", []string{v.Top}},
		{"kport", []string{v.Port}},
		{"kconfig", []string{v.Config}},
		{"kcompat", v.Compat},
		{"kflavour", []string{v.Flavour}},
		{"kneeds", v.Needs},
	})
}

// field is one line of a spec's first block.
type field struct {
	name  string
	words []string
}

// fill fills in one of our specs.
func fill(name string, fields []field) ([]byte, error) {
	spec, _ := files.ReadFile(name) // embedded
	text := string(spec)
	for _, f := range fields {
		for _, w := range f.words {
			if !safe.MatchString(w) {
				return nil, fmt.Errorf("fill in spec: %s: %q is not a plain word", f.name, w)
			}
		}
		value := strings.Join(f.words, " ")
		if value == "" {
			value = "%{nil}"
		}
		line := regexp.MustCompile(`(?m)^(%global ` + f.name + `\s+).*$`)
		if !line.MatchString(text) {
			return nil, fmt.Errorf("fill in spec: no line for %s", f.name)
		}
		text = line.ReplaceAllString(text, "${1}"+strings.ReplaceAll(value, "$", "$$"))
	}
	return []byte(text), nil
}

// unpacker is the package whose program rpmbuild calls for a tarball.
func unpacker(archive string) string {
	switch filepath.Ext(archive) {
	case ".bz2", ".tbz", ".tbz2":
		return "bzip2"
	case ".xz", ".txz", ".lzma":
		return "xz"
	case ".zst", ".tzst":
		return "zstd"
	case ".gz", ".tgz":
		return "gzip"
	}
	return "tar"
}

// mainline is the line whose configurations serve kernels of no line, which get a port that is derived.
const mainline = "mainline-6.1"

// GuestConfig returns the small configuration for a line and an architecture (x86_64 or
// i386), and its file name.
func GuestConfig(line, arch string) (name string, data []byte, err error) {
	if line == "" {
		line = mainline
	}
	name = fmt.Sprintf("guest-%s-%s.config", line, arch)
	data, err = files.ReadFile(name)
	if err != nil {
		return "", nil, fmt.Errorf("no small configuration for %s on %s: use --config", line, arch)
	}
	return name, data, nil
}
