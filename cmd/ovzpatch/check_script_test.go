// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestPatchScripts(t *testing.T) {
	var scripts []string
	for _, pattern := range []string{"check*.txtar", "apply*.txtar", "run*.txtar"} {
		found, err := filepath.Glob(filepath.Join("testdata", "script", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no scripts %s: %v", pattern, err)
		}
		scripts = append(scripts, found...)
	}
	testscript.Run(t, testscript.Params{Files: scripts})
}
