// SPDX-License-Identifier: GPL-2.0-only

package specs_test

import (
	"strings"
	"testing"

	"ovzpatch/specs"
)

func TestSpecIsFilledIn(t *testing.T) {
	v := specs.Values{
		Base: "2.6.18", Stable: ".8", Release: "028stab056.1", Archive: "linux.tar.zst", Top: "linux",
		Port: "a.patch", Config: "c.config", Compat: []string{"compat-01.patch", "compat-02.patch"},
	}
	b, err := specs.Spec(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"%global kbase     2.6.18\n", "%global kstable   .8\n", "%global krelease  028stab056.1\n",
		"%global kcompat   compat-01.patch compat-02.patch\n",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the spec lacks %q", want)
		}
	}
}

func TestSpecRefusesMacrosAndShell(t *testing.T) {
	for _, bad := range []string{"%(id)", "a b", "$(id)", "a;b", "a\nb", "`id`", "%{lua:x}"} {
		if _, err := specs.Spec(specs.Values{Base: "6.1.1", Top: bad}); err == nil {
			t.Errorf("%q went into a spec", bad)
		}
	}
}
