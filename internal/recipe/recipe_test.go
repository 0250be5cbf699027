// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/source"
	"ovzpatch/patches"
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

// A kernel that is for a trial alone has no more than that needs, unless its configuration was given.
func TestTrialConfig(t *testing.T) {
	dir := t.TempDir()
	given := filepath.Join(dir, "given.config")
	if err := os.WriteFile(given, []byte("CONFIG_SMP=y\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	config := func(o Options) string {
		t.Helper()
		o.Target, o.Report = "x86_64", job.Quiet{}
		f := &fit.Fit{
			Choice: fit.Choice{Kernel: kernel.Kernel{Version: 6, Patchlevel: 1, Sublevel: 1}, Line: "mainline-6.1", Name: patches.Name},
			Source: &source.Source{}, Plan: &patch.Plan{},
		}
		m := maker{f, o, o.Report}
		sides, err := m.ownSpec("linux.tar.xz", "linux")
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range sides.With.Texts {
			if strings.HasSuffix(name, ".config") {
				return string(text)
			}
		}
		t.Fatal("no configuration")
		return ""
	}
	if text := config(Options{Trial: true}); strings.Contains(text, "CONFIG_BLOCK=y") || !strings.Contains(text, "CONFIG_NAMESPACES=y") {
		t.Errorf("for a trial:\n%s", text)
	}
	if text := config(Options{}); !strings.Contains(text, "CONFIG_BLOCK=y") || !strings.Contains(text, "CONFIG_NAMESPACES=y") {
		t.Errorf("for somebody who gets it:\n%s", text)
	}
	if text := config(Options{Config: given}); text != "CONFIG_SMP=y\n" {
		t.Errorf("the one given became\n%s", text)
	}
}
