// SPDX-License-Identifier: Apache-2.0

package build

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"ovzpatch/internal/job"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/srpm"
)

// A build that ended before it compiled anything leaves nothing to go on from.
func TestStartPoint(t *testing.T) {
	work := t.TempDir()
	build := filepath.Join(work, "BUILD")
	start := func(want bool) {
		t.Helper()
		_, whole, err := startPoint(job.Quiet{}, work, build)
		if err != nil || whole != want {
			t.Errorf("from nothing: %v, %v", whole, err)
		}
	}
	start(true)
	dir := filepath.Join(build, "linux-6.1/fs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "namespace.c"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	start(true)
	if err := os.WriteFile(filepath.Join(dir, "namespace.o"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	start(false)
}

// Packages are known by all that rpmbuild is told; objects do not depend on how they are packed.
func TestKeysHoldWhatRpmbuildIsTold(t *testing.T) {
	plain := recipe.Recipe{Inputs: srpm.Inputs{Date: time.Unix(1_700_000_000, 0), Target: "x86_64"}}
	keys := func(change func(*recipe.Recipe)) (string, string) {
		t.Helper()
		r := plain
		change(&r)
		objects, packages, err := (&builder{Recipe: &r}).keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return objects, packages
	}
	objects, packages := keys(func(*recipe.Recipe) {})
	for name, change := range map[string]func(*recipe.Recipe){
		"digests": func(r *recipe.Recipe) { r.FileDigest = 1 },
		"format":  func(r *recipe.Recipe) { r.Defines = []string{"_rpmformat 6"} },
		"payload": func(r *recipe.Recipe) { r.Defines = []string{"_binary_payload w6.gzdio"} },
		"date":    func(r *recipe.Recipe) { r.Date = r.Date.AddDate(0, 0, 1) },
		"with":    func(r *recipe.Recipe) { r.With = []string{"headers"} },
		"without": func(r *recipe.Recipe) { r.Without = []string{"headers"} },
	} {
		o, p := keys(change)
		if o != objects {
			t.Errorf("%s: other objects", name)
		}
		if p == packages {
			t.Errorf("%s: the same packages", name)
		}
	}
}
