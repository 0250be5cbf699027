// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"regexp"
	"strings"
)

// Options are what rpmbuild is told besides the spec, and what is known of where it runs.
type Options struct {
	Target        string   // --target
	With, Without []string // --with, --without
	Defines       []string // --define, "NAME VALUE"
	// Undefined are names that a distribution may define and that surely are not defined;
	// Defines goes before it.
	Undefined []string
}

func (o Options) macros() *macros {
	m := &macros{values: map[string]macro{}, live: yes}
	for name, body := range ownMacros {
		m.set(name, body)
	}
	for _, cpu := range []string{"_target_cpu", "_arch"} {
		m.set(cpu, o.Target)
	}
	if ix86.MatchString(o.Target) {
		m.set("_arch", "i386")
	}
	for _, name := range o.Undefined {
		m.values[name] = macro{defined: no}
	}
	for _, d := range o.Defines {
		name, body, _ := strings.Cut(d, " ")
		m.set(name, strings.TrimSpace(body))
	}
	for _, w := range o.With {
		m.set("_with_"+w, "--with-"+w)
	}
	for _, w := range o.Without {
		m.set("_without_"+w, "--without-"+w)
	}
	return m
}

// anyBuild are the macros of a build of which nothing is known.
func anyBuild() *macros {
	m := Options{}.macros()
	m.anyBuild = true
	for _, name := range []string{"_target_cpu", "_arch"} {
		m.set(name, unknownText)
	}
	return m
}

var ix86 = regexp.MustCompile(`^i\d86$`)

// ownMacros are rpm's own that kernel specs ask for. Lists of machines are those of its
// macros file, older names among them.
var ownMacros = map[string]string{
	"nil": "", "_target_os": "linux", "_os": "linux", "_default_patch_fuzz": "0",
	"ix86":    "i386 i486 i586 i686 pentium3 pentium4 athlon geode",
	"arm":     "%{arm32}",
	"arm32":   "armv3l armv4b armv4l armv4tl armv5b armv5l armv5teb armv5tl armv5tel armv5tejl armv6l armv6hl armv7l armv7hl armv7hnl armv8l armv8hl armv8hnl armv8hcnl",
	"arm64":   "aarch64",
	"mips":    "%{mips32} %{mips64}",
	"mips32":  "mips mipsel mipsr6 mipsr6el",
	"mips64":  "mips64 mips64el mips64r6 mips64r6el",
	"power64": "ppc64 ppc64p7 ppc64le",
	"sparc":   "sparc sparcv8 sparcv9 sparcv9v sparc64 sparc64v",
	"alpha":   "alpha alphaev56 alphaev6 alphaev67",
	"riscv":   "riscv32 riscv64 riscv128", "riscv64": "riscv64", "loongarch64": "loongarch64",
}

// foreignMacro are names that a distribution's own macro files may define, so that a
// spec's text does not say whether they are. Any other name that the spec does not define
// is taken as undefined: rpmbuild is run without the user's macros.
var foreignMacro = regexp.MustCompile(`^(_.*|rhel|fedora|fedora_version|centos|centos_ver|centos_version|el\d+.*|fc\d+|rhel_version|suse_version|sle_version|is_opensuse|sles_version|amzn|amzn\d|vl\d*|vzlinux|vz\d+|dist|distribution|distro|disttag|vendor|packager|rhl|redhat|ol\d+|almalinux|rocky|epel|openEuler|python\d?_.*|kernel_.*|optflags|build_.*|debug_package|buildroot|nproc)$`)

// optionMacro are what --with and --without define: Options has them all.
var optionMacro = regexp.MustCompile(`^_with(out)?_`)
