// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/version"
)

// Every command has a page, with what they have in common once.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if err := writeMan(newRoot(), dir, time.Unix(1700000000, 0)); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%v: %q", err, pages)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for _, section := range []string{".SH NAME", ".SH SYNOPSIS", ".SH EXIT STATUS", ".SH ENVIRONMENT", ".SH FILES", ".SH SEE ALSO"} {
			at := strings.Index(string(text), section)
			if at < last || strings.Count(string(text), section) != 1 {
				t.Errorf("%s: %s is not there once and in its place", filepath.Base(page), section)
			}
			last = at
		}
		if !strings.Contains(string(text), "Nov 2023") {
			t.Errorf("%s has another date", filepath.Base(page))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "ovzpatch-cache-prune.1")); err != nil {
		t.Error(err)
	}
}

func TestManDate(t *testing.T) {
	for _, tt := range []struct{ epoch, commit, want string }{
		{"1700000000", "2026-01-02T03:04:05Z", "2023-11-14"},
		{"", "2026-01-02T03:04:05Z", "2026-01-02"},
		{"", "", version.Day.Format(time.DateOnly)},
		{"soon", "", ""},
		{"-1", "", ""},
	} {
		got, err := manDate(tt.epoch, tt.commit)
		if (err != nil) != (tt.want == "") || err == nil && got.Format(time.DateOnly) != tt.want {
			t.Errorf("%+v: %v, %v", tt, got, err)
		}
	}
}
