// SPDX-License-Identifier: Apache-2.0

package specs_test

import (
	"strings"
	"testing"

	"ovzpatch/specs"
)

func TestSpecIsFilledIn(t *testing.T) {
	v := specs.Values{
		Base: "2.6.18", Stable: ".8", Release: "028stab056.1", Tag: ".lustre2", Archive: "linux.tar.zst", Top: "linux",
		Port: "a.patch", Config: "c.config", Compat: []string{"compat-01.patch", "compat-02.patch"}, Flavour: specs.PAE,
	}
	b, err := specs.Spec(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"%global kbase     2.6.18\n", "%global kstable   .8\n", "%global krelease  028stab056.1\n", "%global ktag      .lustre2\n",
		"%global kcompat   compat-01.patch compat-02.patch\n", "%global kflavour  PAE\n", "%global kunpack   zstd\n",
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

func TestFlavourConfig(t *testing.T) {
	const choice = "# CONFIG_NOHIGHMEM is not set\n# CONFIG_HIGHMEM4G is not set\nCONFIG_HIGHMEM64G=y\n"
	for config, want := range map[string]string{
		"CONFIG_SMP=y\n": "CONFIG_SMP=y\n" + choice,
		"CONFIG_SMP=y":   "CONFIG_SMP=y\n" + choice,
		"CONFIG_HIGHMEM4G=y\n# CONFIG_HIGHMEM64G is not set\n# CONFIG_X86_PAE is not set\nCONFIG_HIGHMEM=y\n": "CONFIG_HIGHMEM=y\n" + choice,
		"": choice,
	} {
		if got := string(specs.FlavourConfig(specs.PAE, []byte(config))); got != want {
			t.Errorf("%q: %q", config, got)
		}
		if got := string(specs.FlavourConfig("", []byte(config))); got != config {
			t.Errorf("the plain kernel's configuration changed: %q", got)
		}
	}
}

// A kernel of no line is built with mainline's configuration.
func TestGuestConfigWithoutALine(t *testing.T) {
	for _, arch := range []string{"x86_64", "i386"} {
		name, data, err := specs.GuestConfig("", arch)
		if want := "guest-mainline-6.1-" + arch + ".config"; err != nil || name != want || len(data) == 0 {
			t.Errorf("%s: %s, %d bytes, %v", arch, name, len(data), err)
		}
	}
	if _, _, err := specs.GuestConfig("rhel4-2.6.9", "x86_64"); err == nil {
		t.Error("there is a configuration for a line that there is not")
	}
}
