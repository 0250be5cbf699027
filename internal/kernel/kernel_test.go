// SPDX-License-Identifier: GPL-2.0-only

package kernel_test

import (
	"errors"
	"testing"

	"ovzpatch/internal/kernel"
)

func TestIdentify(t *testing.T) {
	for name, tt := range map[string]struct {
		makefile         string
		full, base, stbl string
		release          string
		line             kernel.Line
		err              error
	}{
		"debian 6.1": {
			makefile: "# SPDX-License-Identifier: GPL-2.0\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\nNAME = Curry Ramen\n",
			full:     "6.1.192", base: "6.1.192", line: kernel.Mainline,
		},
		"openvz 2.6.18": {
			makefile: "VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 18\nEXTRAVERSION = .8-028stab056\nVZVERSION = 028stab056\n",
			full:     "2.6.18.8-028stab056", base: "2.6.18", stbl: ".8", release: "028stab056", line: kernel.RHEL5,
		},
		"openvz 2.6.32": {
			makefile: "VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 32\nEXTRAVERSION =\nVZVERSION = 042stab141\n",
			full:     "2.6.32-042stab141", base: "2.6.32", release: "042stab141", line: kernel.RHEL6,
		},
		"vz9": {
			makefile: "VERSION = 5\nPATCHLEVEL = 14\nSUBLEVEL = 0\nEXTRAVERSION =\nRHEL_MAJOR = 9\nRHEL_MINOR = 2\nVZVERSION = ovz9.80.1\n",
			full:     "5.14.0-ovz9.80.1", base: "5.14.0", release: "ovz9.80.1", line: kernel.VZ9,
		},
		"plain 5.14": {
			makefile: "VERSION = 5\nPATCHLEVEL = 14\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n",
			full:     "5.14.0-rc1", base: "5.14.0", release: "rc1", line: kernel.Mainline,
		},
		"a later assignment does not count": {
			makefile: "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\nEXTRAVERSION =\nall:\n\techo\nVERSION = 9\n",
			full:     "6.1.0", base: "6.1.0", line: kernel.Mainline,
		},
		"no port": {
			makefile: "VERSION = 4\nPATCHLEVEL = 4\nSUBLEVEL = 1\nEXTRAVERSION =\n",
			full:     "4.4.1", base: "4.4.1", err: kernel.ErrNoLine,
		},
		"some other Makefile": {makefile: "all:\n\techo hello\n", err: kernel.ErrNotKernel},
		"empty":               {makefile: "", err: kernel.ErrNotKernel},
		"a shell word":        {makefile: "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\nEXTRAVERSION = $(shell id)\n", err: kernel.ErrNotKernel},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := kernel.Identify([]byte(tt.makefile))
			var line kernel.Line
			if err == nil {
				line, err = k.Line()
			}
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if errors.Is(err, kernel.ErrNotKernel) {
				return
			}
			if k.String() != tt.full || k.Base() != tt.base || k.Stable() != tt.stbl || k.Release() != tt.release || line != tt.line {
				t.Errorf("got %s base %s stable %q release %q line %s", k, k.Base(), k.Stable(), k.Release(), line)
			}
		})
	}
}
