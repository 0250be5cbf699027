// SPDX-License-Identifier: Apache-2.0

package version

import (
	"os"
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
	if !strings.HasPrefix(newest, "## "+Release+" ") {
		t.Errorf("the newest section of CHANGELOG.md is %q, this is release %s", newest, Release)
	}
}

func TestVersionLine(t *testing.T) {
	for line, v := range map[string]Version{
		"ovzpatch 1.2.3 (built outside git, Go 1.26)":             {Release: "1.2.3", Go: "go1.26"},
		"ovzpatch 1.2.3 (commit 0123456789ab, Go 1.26)":           {Release: "1.2.3", Go: "go1.26", Commit: "0123456789abcdef"},
		"ovzpatch 1.2.3 (commit 0123456789ab, modified, Go 1.26)": {Release: "1.2.3", Go: "go1.26", Commit: "0123456789abcdef", Modified: true},
	} {
		if got := v.String(); got != line {
			t.Errorf("got %q, want %q", got, line)
		}
	}
}
