// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What others can write to is told, with its mode: the store, what is above it, and what a snapshot lies in.
func TestExposed(t *testing.T) {
	s := newStore(t)
	g, err := ParseGroup("ns1/kernel/ovz.x86_64")
	if err != nil {
		t.Fatal(err)
	}
	ref := put(t, s, g, time.Unix(1e9, 0), "kernel.rpm", "text")
	if err := s.Exposed(ref); err != nil {
		t.Fatal(err)
	}
	for path, whole := range map[string]bool{
		s.Dir(): true, filepath.Dir(s.Dir()): true, s.path("ns"): false, s.path("ns/ns1/kernel"): false, s.path(ref.dir()): false, s.path(ref.dir(), manifestFile): false,
	} {
		for _, more := range []os.FileMode{0o020, 0o002} {
			st, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			mode := st.Mode().Perm() | more
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("others can write to %s (mode %04o)", path, mode)
			if err := s.Exposed(ref); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if err := s.Exposed(); (err != nil) != whole {
				t.Errorf("%s: the store alone: %v", path, err)
			}
			if err := os.Chmod(path, st.Mode().Perm()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
