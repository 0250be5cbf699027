// SPDX-License-Identifier: Apache-2.0

package patches

import (
	"slices"
	"testing"
)

// The compat patches of a line go in together, so they were tried on the same, and one of them
// speaks for all.
func TestCompatTriedTogether(t *testing.T) {
	some := false
	for _, line := range Lines() {
		list := Compat(line)
		for _, p := range list {
			some = true
			if len(p.Tried) == 0 || !slices.Equal(p.Tried, list[0].Tried) {
				t.Errorf("%s: %s was tried on %q, %s on %q", line, p.Name, p.Tried, list[0].Name, list[0].Tried)
			}
		}
	}
	if !some {
		t.Error("no compat patch is there")
	}
}
