// SPDX-License-Identifier: Apache-2.0

package specs_test

import (
	"strings"
	"testing"

	"ovzpatch/specs"
)

// A release may have characters that no unit's name has, but none that rpm or a shell reads.
func TestLivepatchSpec(t *testing.T) {
	l := specs.Livepatch{Kernel: "7.2.13+deb14-cloud~1", Module: "ovzlivepatch_2", Revision: 2, Needs: "kernel-uname-r", NeedsVersion: "7.2.13"}
	spec, err := l.Spec()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"%global lkernel   7.2.13+deb14-cloud~1\n", "%global lcalled   7.2.13_deb14-cloud_1\n", "%global lmodule   ovzlivepatch_2\n",
		"%global lrevision 2\n", "%global lneeds    kernel-uname-r\n", "%global lneedsver 7.2.13\n",
	} {
		if !strings.Contains(string(spec), want) {
			t.Errorf("the spec lacks %q", want)
		}
	}
	for _, bad := range []string{"", "6.1/../x", "6.1 x", "%(id)", "6.1*", "-6.1", "6.1\n"} {
		l.Kernel = bad
		if _, err := l.Spec(); err == nil {
			t.Errorf("%q went into the spec as a release", bad)
		}
	}
}
