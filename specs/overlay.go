// SPDX-License-Identifier: Apache-2.0

package specs

import (
	"bytes"
	"fmt"
)

// DebugConfig lays the options of a kernel that watches itself over a configuration, whole or a
// fragment: of an option that is there twice the later counts. needs are those that the kernel
// must have in the end. An error says why a line's kernels cannot.
func DebugConfig(line string, config []byte) (changed []byte, needs []string, err error) {
	sleep := "CONFIG_DEBUG_ATOMIC_SLEEP"
	switch line {
	case "rhel5-2.6.18":
		return nil, nil, fmt.Errorf("kernels of line %s have no kmemleak, which came with 2.6.31", line)
	case "rhel6-2.6.32":
		sleep = "CONFIG_DEBUG_SPINLOCK_SLEEP"
	}
	return lay("debug.config", config), []string{"CONFIG_PROVE_LOCKING", sleep, "CONFIG_DEBUG_KMEMLEAK"}, nil
}

// LivepatchConfig does that with the options of a kernel that takes livepatches.
func LivepatchConfig(config []byte) (changed []byte, needs []string) {
	return lay("livepatch.config", config), []string{"CONFIG_LIVEPATCH", "CONFIG_UNWINDER_ORC", "CONFIG_SECURITY"}
}

// InstalledConfig lays over a small configuration what somebody who gets the kernel needs beside a trial: disks, a boot
// loader, a network. The small configurations of the other lines have it.
func InstalledConfig(line string, config []byte) []byte {
	if line != "" && line != mainline {
		return config
	}
	return lay("installed.config", config)
}

// lay lays one of our files over a configuration.
func lay(name string, config []byte) []byte {
	over, _ := files.ReadFile(name) // embedded
	changed := bytes.Clone(config)
	if len(changed) > 0 && !bytes.HasSuffix(changed, []byte("\n")) {
		changed = append(changed, '\n')
	}
	return append(changed, over...)
}
