// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Trial is one case on one backend.
type Trial struct {
	Case    Case
	Backend Backend
}

// hostBackend is the backend of cases without a container.
var hostBackend = Backend{Name: "host", Gate: Host}

// Plan returns every case on every backend for which it makes sense, backend by backend, because the cases of one
// backend share a container. Cases with Last come last.
func Plan(cases []Case, backends []Backend) []Trial {
	var trials, last []Trial
	for _, b := range append(slices.Clone(backends), hostBackend) {
		for _, c := range cases {
			switch {
			case !c.On(b):
			case c.Last:
				last = append(last, Trial{c, b})
			default:
				trials = append(trials, Trial{c, b})
			}
		}
	}
	return append(trials, last...)
}

// telling are the cases that tell a kernel with the patch from one without, through every way into the kernel, and show
// that the host may force on both.
var telling = []string{"force-idle", "force-busy", "force-detach-idle", "oldumount", "force-32-bit", "force-lustre-tgt", "force-type-lustrex", "host-force"}

// Telling returns the trials of these cases, or all trials if there are none of them.
func Telling(trials []Trial) []Trial {
	few := slices.DeleteFunc(slices.Clone(trials), func(t Trial) bool { return !slices.Contains(telling, t.Case.Name) })
	if len(few) == 0 {
		return trials
	}
	return few
}

// Types returns the filesystem types that the kernel knows, without those of modules that are not loaded.
func Types() ([]string, error) {
	b, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return nil, fmt.Errorf("ask for the kernel's filesystem types: %w", err)
	}
	var types []string
	for line := range strings.Lines(string(b)) {
		if words := strings.Fields(line); len(words) > 0 {
			types = append(types, words[len(words)-1])
		}
	}
	return types, nil
}

// ForTypes returns the cases that need no other filesystem types than these, and the others as "NAME (TYPE)".
func ForTypes(cases []Case, known []string) (kept []Case, left []string) {
	for _, c := range cases {
		if c.Needs != "" && !slices.Contains(known, c.Needs) {
			left = append(left, c.Name+" ("+c.Needs+")")
			continue
		}
		kept = append(kept, c)
	}
	return kept, left
}
