// SPDX-License-Identifier: GPL-2.0-only

package umount

import "slices"

// Trial is one case on one backend.
type Trial struct {
	Case    Case
	Backend Backend
}

// hostBackend is the backend of the cases without a container.
var hostBackend = Backend{Name: "host", Gate: Host}

// Plan gives every case on every backend it makes sense on, in an order in which the
// kernel's rate limit costs the least waiting: what writes messages comes backend by
// backend, at its end what writes many. The silent ones come after the first backend's,
// but before the first flood: that they write nothing shows only where there is room.
func Plan(cases []Case, backends []Backend) []Trial {
	var loud [][]Trial
	var silent, flood []Trial
	for _, b := range append(slices.Clone(backends), hostBackend) {
		var some, many []Trial
		for _, c := range cases {
			w, ok := c.Wants[b.Gate]
			switch {
			case !ok:
			case w.Patched.Limit > 0:
				many = append(many, Trial{c, b})
			case w.Patched.Messages > 0:
				some = append(some, Trial{c, b})
			default:
				silent = append(silent, Trial{c, b})
			}
		}
		switch {
		case len(some)+len(many) == 0:
		case len(loud) == 0:
			loud, flood = append(loud, some), many
		default:
			loud = append(loud, some, many)
		}
	}
	if len(loud) == 0 {
		return silent
	}
	return slices.Concat(loud[0], silent, flood, slices.Concat(loud[1:]...))
}
