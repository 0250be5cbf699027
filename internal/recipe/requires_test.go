// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/srpm"
	"ovzpatch/specs"
)

func TestSortRequires(t *testing.T) {
	got := sortRequires([]string{
		"gcc", "bc", "elfutils-libelf-devel", "openssl-devel(x86-64)", "perl(ExtUtils::Embed)", "perl-generators",
		"redhat-rpm-config", "cpio", "/usr/bin/perl", "dwarves", "pahole", "never-heard-of", "/usr/bin/pod2man", "(dwarves or pahole)", "%{odd}",
		"gcc-plugin-devel",
	}, "14", func(pkg string) bool { return pkg == "gcc" || pkg == "pahole" }, func(name string) bool { return name == "cpio" || name == "perl" })
	for what, lists := range map[string][2][]string{
		"missing": {got.missing, {"bc", "elfutils-libelf-devel", "openssl-devel(x86-64)", "perl(ExtUtils::Embed)", "gcc-plugin-devel"}},
		"install": {got.install, {"bc", "libelf-dev", "libssl-dev", "libperl-dev", "gcc-14-plugin-dev"}},
		"unknown": {got.unknown, {"never-heard-of", "/usr/bin/pod2man", "(dwarves or pahole)", "%{odd}"}},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s: %q, want %q", what, lists[0], lists[1])
		}
	}
}

// Our own spec requires nothing whose Debian name is not known.
func TestOwnSpecRequiresKnownNames(t *testing.T) {
	text, err := specs.Spec(specs.Values{Base: "6.1.1", Release: "1", Archive: "a", Top: "a", Port: "p", Config: "c"})
	if err != nil {
		t.Fatal(err)
	}
	names, err := spec.Read(specs.Name, text).BuildRequires(spec.Options{Target: "x86_64", With: []string{"headers"}})
	if err != nil || len(names) < 10 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, n := range names {
		if len(debianNames[n]) == 0 {
			t.Errorf("%s is not known", n)
		}
	}
}

// Scripts of a package that nothing here can run are told, by what runs them.
func TestLacks(t *testing.T) {
	r := &Recipe{Inputs: srpm.Inputs{Texts: map[string][]byte{
		"kabitool": []byte("#!/no/such/python -u\nimport sha\n"), "check-kabi": []byte("#! /no/such/python\n"), "merge": []byte("#!/bin/sh\n"),
		"a.patch": []byte("--- a\n"), "empty": nil, "odd": []byte("#!\n"), "env": []byte("#!env python\n"),
	}}}
	want := "this machine has no /no/such/python, which these of the package's scripts are for: check-kabi, kabitool; a build that runs one stops there (--root builds where it is)"
	if got := r.Lacks(); !slices.Equal(got, []string{want}) {
		t.Errorf("got %q", got)
	}
	r = &Recipe{Inputs: srpm.Inputs{Spec: spec.Read("kernel.spec", []byte("%define __find_requires /usr/lib/rpm/redhat/find-requires kernel\n"))}, Root: rpmbuild.Root{Chroot: t.TempDir()}}
	if got := r.Lacks(); len(got) != 1 || !strings.Contains(got[0], "has no /usr/lib/rpm/redhat/find-requires, and rpm dies") {
		t.Errorf("got %q", got)
	}
}
