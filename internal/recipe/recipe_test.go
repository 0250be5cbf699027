// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
)

// A tarball is decompressed once: what is read of it is kept, also for who only edits the port.
func TestMakeKeepsWhatItRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Makefile":       "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\nEXTRAVERSION =\n",
		"fs/namespace.c": "int a;\n",
	} {
		path := filepath.Join(dir, "linux-6.1.1", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tarball := filepath.Join(dir, "linux-6.1.1.tar.gz")
	if out, err := exec.CommandContext(t.Context(), "tar", "-C", dir, "-czf", tarball, "linux-6.1.1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o := Options{Port: fit.Port{Derive: fit.Never}, Spec: fit.Spec{Target: "x86_64"}, Cache: cache.Cache{Dir: filepath.Join(dir, "cache")}, Report: job.Quiet{}}
	_, err := Make(t.Context(), tarball, o)
	if _, ok := errors.AsType[*patch.NotApplicable](err); !ok {
		t.Fatalf("got %v", err)
	}
	if kept, err := filepath.Glob(filepath.Join(o.Cache.Dir, "sources/*")); err != nil || len(kept) != 1 {
		t.Errorf("kept %v (%v)", kept, err)
	}
}
