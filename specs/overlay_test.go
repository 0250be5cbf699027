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
