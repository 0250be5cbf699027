// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A build that ended before it compiled anything leaves nothing to go on from.
func TestStartPoint(t *testing.T) {
	work := t.TempDir()
	build := filepath.Join(work, "BUILD")
	start := func(want bool) {
		t.Helper()
		_, whole, err := startPoint(newUI(io.Discard), work, build)
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
