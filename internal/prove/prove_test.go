// SPDX-License-Identifier: Apache-2.0

package prove_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/build"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/prove"
	"ovzpatch/internal/recipe"
	"ovzpatch/internal/trial"
)

// The main job, as a program of one's own would do it.
func ExampleProve() {
	kept := cache.Cache{Dir: "/var/cache/ovzpatch"}
	report, err := prove.Prove(context.Background(), "linux-6.1.tar.xz", prove.Options{
		Recipe: recipe.Options{Spec: fit.Spec{Target: "x86_64"}, Tag: ".lustre1"},
		Build:  build.Options{Cache: kept, Limit: 3 * time.Hour},
		Trial:  trial.Options{Cache: kept, Home: "/usr/bin"},
		Report: job.Quiet{},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Behaved())
}

// What keeps the job from its work is told by kinds and types, for whoever calls it.
func TestErrorsAreOfKinds(t *testing.T) {
	tree := t.TempDir()
	for name, text := range map[string]string{
		"Makefile":       "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\nEXTRAVERSION =\n",
		"fs/namespace.c": "int a;\n",
	} {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(path string, port fit.Port) error {
		_, err := prove.Prove(t.Context(), path, prove.Options{
			Recipe: recipe.Options{Port: port, Spec: fit.Spec{Target: "x86_64"}, Tag: ".lustre1"},
			Build:  build.Options{Cache: cache.Cache{Dir: t.TempDir()}, Limit: time.Minute},
			Report: job.Quiet{},
		})
		return err
	}
	if err := run(filepath.Join(tree, "none"), fit.Port{}); !errors.Is(err, job.ErrRequest) {
		t.Errorf("a source that is not there: %v", err)
	}
	if err := run(t.TempDir(), fit.Port{}); !errors.Is(err, job.ErrRequest) {
		t.Errorf("an empty tree: %v", err)
	}
	var no *patch.NotApplicable
	if err := run(tree, fit.Port{Derive: fit.Never}); !errors.As(err, &no) {
		t.Errorf("a kernel that the port does not fit: %v", err)
	}
	if left, err := os.ReadDir(tree); err != nil || len(left) != 2 {
		t.Errorf("the tree has %v, %v", left, err)
	}
}

func TestOptionsCheck(t *testing.T) {
	tagged := recipe.Options{Tag: ".lustre1"}
	livepatch := recipe.Options{Tag: ".lustre1", Livepatch: true}
	for want, o := range map[string]prove.Options{
		"--release-tag: ":  {},
		"--only=both: ":    {Recipe: tagged, Only: "both"},
		"--only=with: --l": {Recipe: livepatch, Only: prove.With},
	} {
		if err := o.Check(); !errors.Is(err, job.ErrRequest) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, o := range []prove.Options{{Recipe: tagged}, {Recipe: livepatch}, {Recipe: livepatch, Only: prove.Without}} {
		if err := o.Check(); err != nil {
			t.Error(err)
		}
	}
}
