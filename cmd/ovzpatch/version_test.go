// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A release has a section in the change log, the newest one.
func TestReleaseIsInTheChangeLog(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## .*$`).FindString(string(text))
	if !strings.HasPrefix(newest, "## "+release+" ") {
		t.Errorf("the newest section of CHANGELOG.md is %q, this is release %s", newest, release)
	}
}

func TestVersionListsTheGuestPrograms(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"amd64/umounttest", "amd64/uroot.cpio", "386/umounttest", "386/uroot.cpio", "386/uroot-old.cpio"} {
		path := filepath.Join(home, "guest", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("one"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	v, err := thisVersion(home)
	if err != nil || len(v.Guest) != 5 || !strings.HasPrefix(v.Guest[0].SHA256, "7692c3ad") {
		t.Errorf("%v, %+v", err, v)
	}
	if b, err := json.Marshal(v); err != nil || !strings.Contains(string(b), `"go":"go1.`) {
		t.Errorf("%v, %s", err, b)
	}
	for line, v := range map[string]version{
		"ovzpatch 1.2.3 (built outside git, Go 1.26)":             {Release: "1.2.3", Go: "go1.26"},
		"ovzpatch 1.2.3 (commit 0123456789ab, Go 1.26)":           {Release: "1.2.3", Go: "go1.26", Commit: "0123456789abcdef"},
		"ovzpatch 1.2.3 (commit 0123456789ab, modified, Go 1.26)": {Release: "1.2.3", Go: "go1.26", Commit: "0123456789abcdef", Modified: true},
	} {
		if got := v.line(); got != line {
			t.Errorf("got %q, want %q", got, line)
		}
	}
}
