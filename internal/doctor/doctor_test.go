// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/trial"
)

// Without programs of the guest they are told as missing, with what to do; the rest goes on.
func TestLook(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no QEMU to boot, either
	found, how := map[string]State{}, map[string]string{}
	dir := filepath.Join(t.TempDir(), "not/made/yet")
	err := Look(t.Context(), trial.Options{Home: t.TempDir(), Cache: cache.Cache{Dir: dir}, Report: job.Quiet{}}, func(s State, what, text string) {
		found[what], how[what] = s, text
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what  string
		state State
		how   string
	}{
		{"rpmbuild", Missing, "apt-get install rpm"},
		{"guest for x86_64", Missing, "run `make`"},
		{"guest for i386", Missing, "run `make`"},
		{"cache", There, "0 B in 0 results"},
	} {
		if s, ok := found[tt.what]; !ok || s != tt.state || !strings.Contains(how[tt.what], tt.how) {
			t.Errorf("%s: %v, %q, want %v and %q", tt.what, s, how[tt.what], tt.state, tt.how)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("to look made the cache: %v", err)
	}
	if text := how["space for builds"]; !strings.Contains(text, "GiB free below "+dir) {
		t.Errorf("space: %q", text)
	}
	if _, ok := found["accelerator"]; ok {
		t.Error("an accelerator was looked for without QEMU")
	}
	if found["default source"] == Missing {
		t.Error("run needs no default source")
	}
}
