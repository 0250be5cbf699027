// SPDX-License-Identifier: Apache-2.0

package specs_test

import (
	"slices"
	"strings"
	"testing"

	"ovzpatch/specs"
)

// What a kernel must have in the end is asked for, after what the configuration says of it.
func TestDebugConfig(t *testing.T) {
	for line, sleep := range map[string]string{
		"mainline-6.1": "CONFIG_DEBUG_ATOMIC_SLEEP", "vz7-3.10": "CONFIG_DEBUG_ATOMIC_SLEEP",
		"rhel6-2.6.32": "CONFIG_DEBUG_SPINLOCK_SLEEP", "": "CONFIG_DEBUG_ATOMIC_SLEEP",
	} {
		const given = "CONFIG_SMP=y\n# CONFIG_PROVE_LOCKING is not set"
		config, needs, err := specs.DebugConfig(line, []byte(given))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(needs, sleep) {
			t.Errorf("%s: needs %v, not %s", line, needs, sleep)
		}
		added, ok := strings.CutPrefix(string(config), given+"\n")
		for _, option := range needs {
			if !ok || !strings.Contains(added, "\n"+option+"=y\n") {
				t.Errorf("%s: %s is not laid over the configuration:\n%s", line, option, config)
			}
		}
	}
	if _, _, err := specs.DebugConfig("rhel5-2.6.18", nil); err == nil || !strings.Contains(err.Error(), "no kmemleak") {
		t.Errorf("2.6.18: %v", err)
	}
}

// Only mainline's kernels are smaller for a trial than for those who get them.
func TestInstalledConfig(t *testing.T) {
	const given = "CONFIG_SMP=y\nCONFIG_EXPERT=y"
	for _, line := range []string{"", "mainline-6.1"} {
		config := string(specs.InstalledConfig(line, []byte(given)))
		for _, want := range []string{"\n# CONFIG_EXPERT is not set\n", "\nCONFIG_BLOCK=y\n", "\nCONFIG_INET=y\n", "\nCONFIG_ACPI=y\n"} {
			if !strings.HasPrefix(config, given+"\n") || !strings.Contains(config, want) {
				t.Errorf("%q is not laid over the configuration of line %q:\n%s", want, line, config)
			}
		}
	}
	if config := specs.InstalledConfig("vz7-3.10", []byte(given)); string(config) != given {
		t.Errorf("another line's configuration is changed:\n%s", config)
	}
}

func TestLivepatchConfig(t *testing.T) {
	const given = "CONFIG_SMP=y\nCONFIG_UNWINDER_FRAME_POINTER=y"
	config, needs := specs.LivepatchConfig([]byte(given))
	added, ok := strings.CutPrefix(string(config), given+"\n")
	for _, option := range needs {
		if !ok || !strings.Contains(added, "\n"+option+"=y\n") {
			t.Errorf("%s is not laid over the configuration:\n%s", option, config)
		}
	}
}
