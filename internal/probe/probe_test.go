// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"os"
	"path/filepath"
	"testing"
)

// The probe compiles against the build trees that OVZPATCH_TEST_HEADERS names, one after
// another with colons, as linux-headers packages or make leave them.
func TestProbeCompiles(t *testing.T) {
	trees := filepath.SplitList(os.Getenv("OVZPATCH_TEST_HEADERS"))
	if len(trees) == 0 {
		t.Skip("OVZPATCH_TEST_HEADERS names no kernel's build tree")
	}
	for _, tree := range trees {
		if err := compile(t.Context(), tree, t.TempDir()); err != nil {
			t.Errorf("%s: %v", tree, err)
		}
	}
}
