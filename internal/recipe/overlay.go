// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"fmt"

	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/specs"
)

// These mark the Release of a kernel whose configuration was changed: one that watches itself is slow, and one
// that takes livepatches is made for run --livepatch.
const (
	debugTag     = ".debug"
	livepatchTag = ".livepatch"
)

// overlaid adds the options of --debug-kernel and --livepatch to a configuration. It also returns the options that
// the kernel must have in the end, and the mark for its Release.
func (m maker) overlaid(config []byte) (changed []byte, needs []string, tag string, err error) {
	if m.o.Debug {
		if config, needs, err = specs.DebugConfig(m.Line, config); err != nil {
			return nil, nil, "", job.BadRequest(fmt.Errorf("--debug-kernel: %w", err))
		}
		tag = debugTag
	}
	if m.o.Livepatch {
		if !m.Kernel.AtLeast(5, 9, 0) {
			return nil, nil, "", job.BadRequest(fmt.Errorf("--livepatch: %s has no path_umount, which the module replaces; Linux has it since 5.9", m.Kernel))
		}
		var more []string
		config, more = specs.LivepatchConfig(config)
		needs, tag = append(needs, more...), tag+livepatchTag
	}
	return config, needs, tag, nil
}

// takesLivepatch refuses what no module of ours is for, whichever spec it is built by.
func (m maker) takesLivepatch() error {
	if arch, err := kernel.Arch(m.o.Target); m.o.Livepatch && (err != nil || arch != "x86_64") {
		return job.BadRequest(fmt.Errorf("--livepatch: the module is for x86_64 only, not for %s", m.o.Target))
	}
	return nil
}
