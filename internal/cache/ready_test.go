// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/cache"
)

// Whether results can be kept is known before they are made.
func TestReady(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "new", "cache"): "",
		file:                               "is not a directory",
		filepath.Join(file, "below"):       "not a directory",
		"/proc/nope":                       "write to it: ",
		"relative":                         "its path must be absolute",
	} {
		err := cache.Cache{Dir: path}.Ready()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if st, err := os.Stat(filepath.Join(dir, "new", "cache")); err != nil || !st.IsDir() {
		t.Errorf("it is not made: %v", err)
	}
}
