// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"errors"
	"testing"

	"ovzpatch/internal/kernel"
)

// The texts are as short as the real Makefiles' first lines allow, with their order and
// their conditionals.
func TestIdentify(t *testing.T) {
	const (
		v2618 = "VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 18\n"
		v2632 = "VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 32\nEXTRAVERSION =\n"
		v310  = "VERSION = 3\nPATCHLEVEL = 10\nSUBLEVEL = 0\nEXTRAVERSION =\nNAME = a name\nRHEL_MAJOR = 7\n"
		v418  = "# SPDX-License-Identifier: GPL-2.0\nVERSION = 4\nPATCHLEVEL = 18\nSUBLEVEL = 0\nEXTRAVERSION =\n"
		v514  = "# SPDX-License-Identifier: GPL-2.0\nVERSION = 5\nPATCHLEVEL = 14\nSUBLEVEL = 0\nEXTRAVERSION =\n"
		// Red Hat's includes its Makefile.rhelver behind the first rule.
		include = "\nPHONY := __all\n__all:\n\ninclude Makefile.rhelver\n\n"
		// OpenVZ's of 2021 and later.
		vz9 = "VZVERSION = ovz9.16.6\nifeq ($(EXTRAVERSION),)\n  EXTRAVERSION := -$(RHEL_RELEASE).$(VZVERSION)\nendif\n"
		// A release that is built in one certain branch has two numbers.
		rhelver9 = "RHEL_MAJOR = 9\nRHEL_MINOR = 0\n\n# a comment\nRHEL_RELEASE = 42\n\nEARLY_YRELEASE:=\n" +
			"ifneq (\"$(ZSTREAM)\", \"yes\")\n  ifeq (\"$(EARLY_YSTREAM)\",\"yes\")\n    RHEL_RELEASE:=$(RHEL_RELEASE).$(EARLY_YRELEASE)\n  endif\nendif\n"
	)
	for name, tt := range map[string]struct {
		makefile, rhelver, pkg string // pkg is the release of the source RPM
		full, base, stable     string
		release                string
		line                   kernel.Line
		err                    error
	}{
		"debian 6.1": {
			makefile: "# SPDX-License-Identifier: GPL-2.0\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\nNAME = a name\n",
			full:     "6.1.192", base: "6.1.192", line: kernel.Mainline,
		},
		"rhel5: openvz 2.6.18.8": {
			makefile: v2618 + "EXTRAVERSION = .8-028stab056\nVZVERSION = 028stab056\n",
			full:     "2.6.18.8-028stab056", base: "2.6.18", stable: ".8", release: "028stab056", line: kernel.RHEL5,
		},
		"rhel5: the tarball in ovzkernel's source RPM": {
			makefile: v2618 + "EXTRAVERSION =\nNAME=a name\n", pkg: "92.1.18.el5.028stab060.2",
			full: "2.6.18-028stab060.2", base: "2.6.18", release: "028stab060.2", line: kernel.RHEL5,
		},
		"rhel5: that of a kernel without OpenVZ": {
			makefile: v2618 + "EXTRAVERSION =\nNAME=a name\n", pkg: "92.1.18.el5",
			full: "2.6.18", base: "2.6.18", err: kernel.ErrNoLine,
		},
		"rhel6: openvz 2.6.32": {
			makefile: v2632 + "VZVERSION = 042stab141_3\nRHEL_MAJOR = 6\nRHEL_MINOR = 10\nRHEL_RELEASE = 754\n",
			full:     "2.6.32-042stab141_3", base: "2.6.32", release: "042stab141_3", line: kernel.RHEL6,
		},
		"rhel6: the tarball in vzkernel's source RPM": {
			makefile: v2632, pkg: "042stab141.3",
			full: "2.6.32-042stab141.3", base: "2.6.32", release: "042stab141.3", line: kernel.RHEL6,
		},
		"rhel6: without OpenVZ": {
			makefile: v2632 + "RHEL_MAJOR = 6\nRHEL_MINOR = 10\nRHEL_RELEASE = 754\n", pkg: "754.35.1.el6",
			full: "2.6.32", base: "2.6.32", err: kernel.ErrNoLine,
		},
		"vz7 of 2015, its version asked of git": {
			makefile: v310 + "RHEL_RELEASE = 229.7.2\n# VZVERSION = ovz.6.8\nVZVERSION = ovz.custom\n\n" +
				"ifeq ($(VZVERSION), ovz.custom)\n  VZVERSION := $(shell git describe)\nendif\n",
			full: "3.10.0-ovz.custom", base: "3.10.0", release: "ovz.custom", line: kernel.VZ7,
		},
		"vz7 of 2018, its version asked of git": {
			makefile: v310 + "RHEL_RELEASE = 862.3.2\n# VZVERSION = ovz.61.1\nVZVERSION = ovz.custom\n\n" +
				"ifeq ($(VZVERSION), ovz.custom)\n  GIT_DIR := .git\n  ifneq (\"$(wildcard $(GIT_DIR) )\", \"\")\n" +
				"    VZVERSION := $(shell git describe | \\\n\t\t sed -r 's/^.*//')\n  else\n    VZVERSION := custom\n  endif\n\n" +
				"  ifeq ($(EXTRAVERSION),)\n    EXTRAVERSION := -$(RHEL_RELEASE).ovz.$(VZVERSION)\n  endif\nendif\n",
			full: "3.10.0-862.3.2.ovz.custom", base: "3.10.0", release: "862.3.2.ovz.custom", line: kernel.VZ7,
		},
		"vz7: the tarball in vzkernel's source RPM": {
			makefile: v310 + "RHEL_RELEASE = 1160\n", pkg: "1160.114.2.vz7.222.9",
			full: "3.10.0-vz7.222.9", base: "3.10.0", release: "vz7.222.9", line: kernel.VZ7,
		},
		"centos 7": {
			makefile: v310 + "RHEL_RELEASE = 1160\n",
			full:     "3.10.0", base: "3.10.0", err: kernel.ErrNoLine,
		},
		"vz8": {
			makefile: v418 + include + "VZVERSION = ovz8.7.13\nifeq ($(EXTRAVERSION),)\n  EXTRAVERSION := -$(RHEL_RELEASE).$(VZVERSION)\nendif\n",
			rhelver:  "RHEL_MAJOR = 8\nRHEL_MINOR = 4\nRHEL_RELEASE = 305.3.1\n",
			full:     "4.18.0-305.3.1.ovz8.7.13", base: "4.18.0", release: "305.3.1.ovz8.7.13", line: kernel.VZ8,
		},
		"vz8: the tarball in vzkernel's source RPM": {
			makefile: v418 + include, rhelver: "RHEL_RELEASE = 305.3.1\n", pkg: "305.3.1.vz8.7.13",
			full: "4.18.0-vz8.7.13", base: "4.18.0", release: "vz8.7.13", line: kernel.VZ8,
		},
		"almalinux 8": {
			makefile: v418 + include, rhelver: "RHEL_RELEASE = 553\n", pkg: "553.66.1.el8_10",
			full: "4.18.0", base: "4.18.0", err: kernel.ErrNoLine,
		},
		"vz9": {
			makefile: v514 + include + vz9, rhelver: rhelver9,
			full: "5.14.0-42.ovz9.16.6", base: "5.14.0", release: "42.ovz9.16.6", line: kernel.VZ9,
		},
		"vz9 with its Makefile alone": {
			makefile: v514 + include + vz9,
			full:     "5.14.0-ovz9.16.6", base: "5.14.0", release: "ovz9.16.6", line: kernel.VZ9,
		},
		"vz9: the tarball in vzkernel's source RPM": {
			makefile: v514 + include, rhelver: rhelver9, pkg: "427.44.1.vz9.80.6",
			full: "5.14.0-vz9.80.6", base: "5.14.0", release: "vz9.80.6", line: kernel.VZ9,
		},
		"almalinux 9, which has no VEs": {
			makefile: v514 + include, rhelver: rhelver9, pkg: "570.32.1.el9_6",
			full: "5.14.0", base: "5.14.0", line: kernel.Mainline,
		},
		"plain 5.14": {
			makefile: "VERSION = 5\nPATCHLEVEL = 14\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n",
			full:     "5.14.0-rc1", base: "5.14.0", release: "rc1", line: kernel.Mainline,
		},
		"an OpenVZ of no line": {
			makefile: "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n", pkg: "55.13.1.vz10.30.2",
			full: "6.12.0-vz10.30.2", base: "6.12.0", release: "vz10.30.2", err: kernel.ErrNoLine,
		},
		"a later assignment does not count": {
			makefile: "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\nEXTRAVERSION =\nall:\n\techo\nVERSION = 9\n  VERSION = 8\n",
			full:     "6.1.0", base: "6.1.0", line: kernel.Mainline,
		},
		"no port": {
			makefile: "VERSION = 4\nPATCHLEVEL = 4\nSUBLEVEL = 1\nEXTRAVERSION =\n",
			full:     "4.4.1", base: "4.4.1", err: kernel.ErrNoLine,
		},
		"some other Makefile": {makefile: "all:\n\techo hello\n", err: kernel.ErrNotKernel},
		"empty":               {makefile: "", err: kernel.ErrNotKernel},
		"a shell word":        {makefile: "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\nEXTRAVERSION = $(shell id)\n", err: kernel.ErrNotKernel},
		"a variable in itself": {
			makefile: "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\nVZVERSION = $(VZVERSION)$(VZVERSION)\n",
			full:     "6.1.1", base: "6.1.1", line: kernel.Mainline,
		},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := kernel.Identify([]byte(tt.makefile), []byte(tt.rhelver))
			var line kernel.Line
			if err == nil {
				k.InPackage(tt.pkg)
				line, err = k.Line()
			}
			if !errors.Is(err, tt.err) {
				t.Fatalf("%s: error %v, want %v", k, err, tt.err)
			}
			if errors.Is(err, kernel.ErrNotKernel) {
				return
			}
			if k.String() != tt.full || k.Base() != tt.base || k.Stable() != tt.stable || k.Release() != tt.release || line != tt.line {
				t.Errorf("got %s base %s stable %q release %q line %s", k, k.Base(), k.Stable(), k.Release(), line)
			}
		})
	}
}
