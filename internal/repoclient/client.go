// SPDX-License-Identifier: Apache-2.0

package repoclient

import (
	"crypto"
	"slices"

	"ovzpatch/internal/rpmfile"
)

// Client is one generation of programs that install packages.
type Client struct {
	Name     string // for tables and flags
	Programs string // what was looked at

	features    []string // of its rpm: names inside rpmlib()
	payloads    []string // compressors that it reads
	fileDigests []crypto.Hash
	later       bool // newer versions are of this generation, too
	// beside has the names that keep an older package installed: the package must provide one,
	// or be called so.
	beside []string
	wants  map[Kind]string // the one of them for a package that has none

	format6 Finding // for packages of format 6; the zero value where they are fine
	// leavesObsoleted: what it keeps beside older ones it has rpm install and not upgrade, and then
	// rpm leaves what the package obsoletes.
	leavesObsoleted bool
	signature       func(rpmfile.SignatureForm) (Answer, string)
}

// oldFeatures are those of rpm 4.4.2.3 (lib/rpmlibprov.c).
var oldFeatures = []string{
	"VersionedDependencies", "CompressedFileNames", "PayloadIsBzip2", "PayloadFilesHavePrefix", "ExplicitPackageProvide",
	"HeaderLoadSortsTags", "ScriptletInterpreterArgs", "PartialHardlinkSets", "ConcurrentAccess", "BuiltinLuaScripts",
}

// features48 are those of rpm 4.8.1, features414 those of 4.14.3 (lib/rpmds.c).
var (
	features48  = append(slices.Clone(oldFeatures), "FileDigests", "FileCaps", "PayloadIsLzma", "PayloadIsXz")
	features414 = append(slices.Clone(features48), "ScriptletExpansion", "TildeInVersions", "CaretInVersions", "LargeFiles", "RichDependencies", "PayloadIsZstd")
)

// yumBeside are yum's installonlypkgs in 3.2.22 and 3.2.29 (yum/config.py). That of 2013 and
// later added installonlypkg(kernel).
var yumBeside = []string{
	"kernel", "kernel-bigmem", "kernel-enterprise", "kernel-smp", "kernel-modules", "kernel-debug", "kernel-unsupported",
	"kernel-source", "kernel-devel", "kernel-PAE", "kernel-PAE-debug",
}

var yumWants = map[Kind]string{Kernel: "kernel", Devel: "kernel-devel"}

// Clients are all generations, the oldest first.
var Clients = []Client{
	{
		Name: "rhel5", Programs: "RHEL 5: rpm 4.4.2.3, yum 3.2.22",
		features: oldFeatures, payloads: []string{"gzip", "bzip2"}, fileDigests: []crypto.Hash{crypto.MD5},
		beside: yumBeside, wants: yumWants,
		format6:         Finding{Format, Refuses, "package format 6 has a payload that rpm before 4.12 cannot unpack; build it with --define '_rpmformat 4'"},
		leavesObsoleted: true,
		signature: func(s rpmfile.SignatureForm) (Answer, string) {
			switch {
			case s.Algorithm == "RSA" && s.Version == 3:
				return Installs, ""
			case s.Algorithm == "RSA":
				return Refuses, "it calls an RSA signature BAD unless that has version 3 form, with or without the key; gpg1 --force-v3-sigs makes one"
			case s.Algorithm == "DSA" && s.Bits <= 160 && s.Hash == "SHA-1":
				return Installs, ""
			}
			return Refuses, "it reads only RSA in version 3 form, and DSA of 1024 bits over SHA-1"
		},
	},
	{
		Name: "rhel6", Programs: "RHEL 6: rpm 4.8.1, yum 3.2.29",
		features: features48, payloads: []string{"gzip", "bzip2", "lzma", "xz"}, fileDigests: []crypto.Hash{crypto.MD5, crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512},
		beside: yumBeside, wants: yumWants,
		format6:         Finding{Format, Refuses, "package format 6 has a payload that rpm before 4.12 cannot unpack; build it with --define '_rpmformat 4'"},
		leavesObsoleted: true,
		signature: func(s rpmfile.SignatureForm) (Answer, string) {
			switch {
			case s.Algorithm == "RSA", s.Algorithm == "DSA" && s.Bits <= 160:
				return Installs, ""
			}
			return Refuses, "it reads only RSA, and DSA of 1024 bits"
		},
	},
	{
		Name: "dnf", Programs: "dnf 4 (tried: 4.14), rpm 4.14 and later",
		features: features414, payloads: []string{"gzip", "bzip2", "lzma", "xz", "zstd"},
		fileDigests: []crypto.Hash{crypto.MD5, crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512},
		later:       true,
		// dnf/const.py
		beside:    []string{"kernel", "kernel-PAE", "installonlypkg(kernel)", "installonlypkg(kernel-module)", "installonlypkg(vm)", "multiversion(kernel)"},
		wants:     map[Kind]string{Kernel: "installonlypkg(kernel)", Devel: "installonlypkg(kernel)"},
		format6:   Finding{Format, Unsure, "package format 6 is rpm 6's; rpm 4 reads it with limits, and nobody tried it here"},
		signature: modern,
	},
	{
		Name: "zypper", Programs: "zypper 1.14 (tried: 1.14.42), rpm 4.14 and later, zypp.conf as SUSE has it",
		features: features414, payloads: []string{"gzip", "bzip2", "lzma", "xz", "zstd"},
		fileDigests: []crypto.Hash{crypto.MD5, crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512},
		later:       true,
		// zypp.conf: multiversion = provides:multiversion(kernel)
		beside:    []string{"multiversion(kernel)"},
		wants:     map[Kind]string{Kernel: "multiversion(kernel)", Devel: "multiversion(kernel)"},
		format6:   Finding{Format, Unsure, "package format 6 is rpm 6's; rpm 4 reads it with limits, and nobody tried it here"},
		signature: modern,
	},
}

// modern is what rpm 4.14 and later says of signatures.
func modern(s rpmfile.SignatureForm) (Answer, string) {
	switch {
	case s.Algorithm == "RSA" && s.Bits < 2048:
		return Unsure, "systems whose policy wants RSA of 2048 bits refuse it"
	case s.Hash == "SHA-1" || s.Hash == "MD5":
		return Unsure, "systems whose policy has no " + s.Hash + ", as RHEL 9, refuse it"
	case s.Algorithm == "RSA", s.Algorithm == "DSA", s.Algorithm == "EdDSA" && s.Version < 6:
		return Installs, ""
	}
	return Unsure, "nobody tried it"
}

// Profiles are the clients that one repository is for.
var Profiles = map[string][]string{
	"rhel5": {"rhel5"}, "rhel6": {"rhel6"}, "modern": {"dnf", "zypper"},
}

// Of returns the clients with these names, in the order of Clients.
func Of(names []string) []Client {
	return slices.DeleteFunc(slices.Clone(Clients), func(c Client) bool { return !slices.Contains(names, c.Name) })
}
