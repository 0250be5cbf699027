// SPDX-License-Identifier: Apache-2.0

package umount

import "slices"

// Trial is one case on one backend.
type Trial struct {
	Case    Case
	Backend Backend
}

// hostBackend is the backend of the cases without a container.
var hostBackend = Backend{Name: "host", Gate: Host}

// Plan returns every case on every backend it makes sense on, backend by backend, for the
// cases of one share a container. What is to be tried last is last.
func Plan(cases []Case, backends []Backend) []Trial {
	var trials, last []Trial
	for _, b := range append(slices.Clone(backends), hostBackend) {
		for _, c := range cases {
			_, ok := c.Wants[b.Gate]
			switch {
			case !ok:
			case c.Last:
				last = append(last, Trial{c, b})
			default:
				trials = append(trials, Trial{c, b})
			}
		}
	}
	return append(trials, last...)
}

// telling are the cases that tell a kernel with the patch from one without it by every way into the
// kernel, and show that the host may force on either.
var telling = []string{"force-idle", "force-busy", "force-detach-idle", "oldumount", "force-32-bit", "force-lustre-tgt", "force-type-lustrex", "host-force"}

// Telling returns those among trials, or all where there are none among them.
func Telling(trials []Trial) []Trial {
	few := slices.DeleteFunc(slices.Clone(trials), func(t Trial) bool { return !slices.Contains(telling, t.Case.Name) })
	if len(few) == 0 {
		return trials
	}
	return few
}
