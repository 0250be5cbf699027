// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"testing"
	"time"

	"ovzpatch/internal/srpm"
)

func TestShown(t *testing.T) {
	for want, found := range map[string]srpm.Proven{
		"proven: %build compiles in l, the original's with the patch applied once (1s)":            {Trees: []string{"l"}, Compiled: true, Duration: time.Second},
		"%build compiles in l, m, the original's with the patch applied once (1s); not seen: a; b": {Trees: []string{"l", "m"}, Compiled: true, Unseen: []string{"a", "b"}, Duration: time.Second},
		"after %prep the tree is l, the original's with the patch applied once (1s); not seen: a":  {Trees: []string{"l"}, Unseen: []string{"a"}, Duration: time.Second},
	} {
		if got := shown(found); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
