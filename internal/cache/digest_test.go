// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"os"
	"path/filepath"
	"testing"
)

// A file is read once, and without a memory every time.
func TestDigestsAreOfOneRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "source")
	var d Digests
	var got []string
	for _, text := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, of := range []*Digests{&d, nil} {
			digest, err := of.Of(path)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, digest[:8])
		}
	}
	// The first is that of "one", and so is the third: it was not read again.
	if got[0] != "7692c3ad" || got[1] != got[0] || got[2] != got[0] || got[3] != "3fc4ccfe" {
		t.Errorf("%q", got)
	}
	if _, err := d.Of(path + "-not-there"); !os.IsNotExist(err) {
		t.Error(err)
	}
}
