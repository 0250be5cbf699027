// SPDX-License-Identifier: Apache-2.0

// Package tool knows the programs of the field that ovzpatch drives: where they are on this
// machine, which packages bring them, and what each kind of work needs.
package tool

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// Tool is a program, and the packages that bring it: Debian's, "" where not every release
// has one, and Red Hat's.
type Tool struct{ Name, Apt, Dnf string }

// What each kind of work needs.
var (
	Source = []Tool{
		{"rpmbuild", "rpm", "rpm-build"},
		{"rpmspec", "rpm", "rpm-build"},
		{"tar", "tar", "tar"},
		{"xz", "xz-utils", "xz"},
		{"zstd", "zstd", "zstd"},
	}
	Build = []Tool{
		{"rpmbuild", "rpm", "rpm-build"},
		{"rpmspec", "rpm", "rpm-build"},
		{"make", "make", "make"},
		{"gcc", "gcc", "gcc"},
		{"ld", "binutils", "binutils"},
		{"bison", "bison", "bison"},
		{"flex", "flex", "flex"},
		{"bc", "bc", "bc"},
		{"perl", "perl", "perl"},
		{"patch", "patch", "patch"},
		{"tar", "tar", "tar"},
		{"xz", "xz-utils", "xz"},
		{"zstd", "zstd", "zstd"},
		{"cpio", "cpio", "cpio"},
		{"depmod", "kmod", "kmod"},
		{"file", "file", "file"}, // rpm asks it what to strip
	}
	Probe = []Tool{
		{"make", "make", "make"},
		{"gcc", "gcc", "gcc"},
		{"ld", "binutils", "binutils"},
	}
	Livepatch = []Tool{
		{"make", "make", "make"},
		{"gcc", "gcc", "gcc"},
		{"ld", "binutils", "binutils"},
		{"rpmbuild", "rpm", "rpm-build"},
	}
	Modules = []Tool{
		{"depmod", "kmod", "kmod"},
	}
	Signatures = []Tool{
		{"gpgv", "gpgv", "gnupg2"},
	}
	Publish = []Tool{
		{"createrepo_c", "createrepo-c", "createrepo_c"},
		{"modifyrepo_c", "createrepo-c", "createrepo_c"},
		{"rpmsign", "rpm", "rpm-sign"},
		{"rpmkeys", "rpm", "rpm"},
		{"rpmbuild", "rpm", "rpm-build"},
		{"gpg", "gnupg", "gnupg2"},
		{"gpgv", "gpgv", "gnupg2"},
		{"dnf", "dnf dnf-plugins-core", "dnf dnf-plugins-core"},
	}
	GnuPG1    = Tool{"gpg1", "gnupg1", "gnupg1"}
	Mock      = Tool{"mock", "", "mock"} // not every release of Debian has it
	Launchers = []Tool{
		{"ccache", "ccache", "ccache"},
		{"distcc", "distcc", "distcc"},
		{"icecc", "icecc", "icecream"},
		{"sccache", "sccache", "sccache"},
	}
	Guest = []Tool{
		{"qemu-system-x86_64", "qemu-system-x86", "qemu-system-x86-core"},
	}
)

// Need tells all tools that are missing at once, with what to install.
func Need(sets ...[]Tool) error {
	var names, apt, dnf []string
	for _, set := range sets {
		for _, t := range set {
			if _, err := Find(t.Name); err != nil {
				names = append(names, t.Name)
				if t.Apt != "" && !slices.Contains(apt, t.Apt) {
					apt = append(apt, t.Apt)
				}
				if !slices.Contains(dnf, t.Dnf) {
					dnf = append(dnf, t.Dnf)
				}
			}
		}
	}
	if names == nil {
		return nil
	}
	text := "missing on this machine: " + strings.Join(names, ", ")
	if apt != nil {
		text += "\n  Debian, Ubuntu:  apt-get install " + strings.Join(apt, " ")
	}
	if slices.Contains(names, Mock.Name) {
		text += "\n  Debian 12 has no package of mock: build there with --root chroot:DIR"
	}
	return fmt.Errorf("%s\n  Fedora, RHEL:    dnf install %s", text, strings.Join(dnf, " "))
}

// Find looks a program up in PATH, and where administrators' programs are, which is
// not in every user's PATH.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path, nil
		}
	}
	return "", err
}
