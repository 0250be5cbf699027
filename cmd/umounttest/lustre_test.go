// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "setup")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunSetup(t *testing.T) {
	if err := runSetup(t.Context(), "/no/such/script"); err != nil {
		t.Errorf("no script: %v", err)
	}
	if err := runSetup(t.Context(), script(t, "#!/bin/sh\nexit 0\n")); err != nil {
		t.Errorf("good script: %v", err)
	}
	// What a server's start leaves in the background must not keep the test waiting.
	if err := runSetup(t.Context(), script(t, "#!/bin/sh\nsleep 5 &\n")); err != nil {
		t.Errorf("script that leaves a daemon: %v", err)
	}
	err := runSetup(t.Context(), script(t, "#!/bin/sh\nfor i in 1 2 3 4 5 6; do echo line $i; done\nexit 3\n"))
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.HasSuffix(err.Error(), "line 2 | line 3 | line 4 | line 5 | line 6") {
		t.Errorf("failing script: %v", err)
	}
}

func TestInterpreter(t *testing.T) {
	path := script(t, "#!/usr/bin/env bash\n")
	if got, err := interpreter(path); err != nil || !slices.Equal(got, []string{path}) {
		t.Errorf("a script that names one: %v, %v", got, err)
	}
	if _, err := interpreter("/no/such/script"); !os.IsNotExist(err) {
		t.Errorf("no script: %v", err)
	}
}
