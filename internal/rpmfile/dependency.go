// SPDX-License-Identifier: Apache-2.0

package rpmfile

import "strings"

// Dependency is something a package requires, provides, conflicts with or obsoletes.
type Dependency struct {
	Name    string
	Version string // "" for any
	Flags   DependencyFlags
}

// DependencyFlags are rpm's marks on a dependency.
type DependencyFlags uint32

// The comparisons, and the marks that say where a dependency comes from.
const (
	Less    DependencyFlags = 1 << 1
	Greater DependencyFlags = 1 << 2
	Equal   DependencyFlags = 1 << 3
	RPMLib  DependencyFlags = 1 << 24 // a feature of rpm, not a package
)

// String returns the dependency as rpm -q prints it: "kernel >= 5.14".
func (d Dependency) String() string {
	if d.Version == "" {
		return d.Name
	}
	var op strings.Builder
	for _, o := range []struct {
		flag DependencyFlags
		sign string
	}{{Less, "<"}, {Greater, ">"}, {Equal, "="}} {
		if d.Flags&o.flag != 0 {
			op.WriteString(o.sign)
		}
	}
	return d.Name + " " + op.String() + " " + d.Version
}

// Requires returns what the package needs when it is installed; for a source package, what its
// build needs (BuildRequires).
func (f *File) Requires() []Dependency {
	return f.dependencies(tagRequireName, tagRequireFlags, tagRequireVersion)
}

// Provides returns the names under which others may require this package.
func (f *File) Provides() []Dependency {
	return f.dependencies(tagProvideName, tagProvideFlags, tagProvideVersion)
}

// Conflicts returns what cannot be installed beside the package.
func (f *File) Conflicts() []Dependency {
	return f.dependencies(tagConflictName, tagConflictFlags, tagConflictVer)
}

// Obsoletes returns what the package replaces.
func (f *File) Obsoletes() []Dependency {
	return f.dependencies(tagObsoleteName, tagObsoleteFlags, tagObsoleteVer)
}

func (f *File) dependencies(name, flags, version Tag) []Dependency {
	names, bits, versions := f.Header.Strings(name), f.Header.Ints(flags), f.Header.Strings(version)
	list := make([]Dependency, len(names))
	for i, n := range names {
		list[i].Name = n
		if i < len(bits) {
			list[i].Flags = DependencyFlags(bits[i])
		}
		if i < len(versions) {
			list[i].Version = versions[i]
		}
	}
	return list
}

// Script is a program that runs when the package is installed or removed.
type Script struct {
	When    string   // "pre", "post", "preun", "postun", "pretrans", "posttrans", ...
	Program []string // interpreter and its arguments, as "/bin/sh"
	Text    string
}

var scripts = []struct {
	when          string
	text, program Tag
}{
	{"pretrans", 1151, 1153},
	{"pre", 1023, 1085},
	{"post", 1024, 1086},
	{"preun", 1025, 1087},
	{"postun", 1026, 1088},
	{"posttrans", 1152, 1154},
	{"preuntrans", 5103, 5105},
	{"postuntrans", 5104, 5106},
	{"verify", 1079, 1091},
}

// triggers run when another package, or one of its files, is installed or removed.
var triggers = []struct {
	when          string
	text, program Tag
}{
	{"trigger", 1065, 1092}, {"filetrigger", 5066, 5067}, {"transfiletrigger", 5076, 5077},
}

// Scripts returns the package's scripts, in the order in which rpm runs them, and then its
// triggers.
func (f *File) Scripts() []Script {
	var list []Script
	for _, s := range scripts {
		text, program := f.Header.String(s.text), f.Header.Strings(s.program)
		if text != "" || len(program) > 0 {
			list = append(list, Script{When: s.when, Program: program, Text: text})
		}
	}
	for _, s := range triggers {
		programs := f.Header.Strings(s.program)
		for i, text := range f.Header.Strings(s.text) {
			t := Script{When: s.when, Text: text}
			if i < len(programs) {
				t.Program = []string{programs[i]}
			}
			list = append(list, t)
		}
	}
	return list
}
