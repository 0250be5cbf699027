// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"ovzpatch/internal/launcher"
)

// tool is a program of the field that ovzpatch drives, and the packages that bring it.
type tool struct{ name, apt, dnf string }

// What each kind of work needs.
var (
	sourceTools = []tool{
		{"rpmbuild", "rpm", "rpm-build"},
		{"rpmspec", "rpm", "rpm-build"},
		{"tar", "tar", "tar"},
		{"xz", "xz-utils", "xz"},
		{"zstd", "zstd", "zstd"},
	}
	buildTools = []tool{
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
	probeTools = []tool{
		{"make", "make", "make"},
		{"gcc", "gcc", "gcc"},
		{"ld", "binutils", "binutils"},
	}
	moduleTools = []tool{
		{"depmod", "kmod", "kmod"},
	}
	signatureTools = []tool{
		{"gpgv", "gpgv", "gnupg2"},
	}
	mockTool      = tool{"mock", "", "mock"} // not every release of Debian has it
	launcherTools = []tool{
		{launcher.Ccache, "ccache", "ccache"},
		{launcher.Distcc, "distcc", "distcc"},
		{launcher.Icecc, "icecc", "icecream"},
		{launcher.Sccache, "sccache", "sccache"},
	}
	guestTools = []tool{
		{"qemu-system-x86_64", "qemu-system-x86", "qemu-system-x86-core"},
	}
)

// needTools tells all tools that are missing at once, with what to install.
func needTools(sets ...[]tool) error {
	var names, apt, dnf []string
	for _, set := range sets {
		for _, t := range set {
			if _, err := findTool(t.name); err != nil {
				names = append(names, t.name)
				if t.apt != "" && !slices.Contains(apt, t.apt) {
					apt = append(apt, t.apt)
				}
				if !slices.Contains(dnf, t.dnf) {
					dnf = append(dnf, t.dnf)
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
	if slices.Contains(names, mockTool.name) {
		text += "\n  Debian 12 has no package of mock: build there with --root chroot:DIR"
	}
	return fmt.Errorf("%s\n  Fedora, RHEL:    dnf install %s", text, strings.Join(dnf, " "))
}

// findTool looks a program up in PATH, and where administrators' programs are, which is
// not in every user's PATH.
func findTool(name string) (string, error) {
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
