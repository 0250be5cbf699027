// SPDX-License-Identifier: Apache-2.0

// Package version says which release this program is of, and from which commit it was built.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Release is the number of the release that this is, or will be: the one place where it stands.
// CHANGELOG.md has a section of that name, and the tag is v and the number.
const Release = "0.11.0"

// Day is the date of manual pages that are built outside git.
var Day = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

// Version is what a program is made of.
type Version struct {
	Release  string `json:"release"`
	Commit   string `json:"commit,omitempty"`   // "" where it was built without git
	Time     string `json:"time,omitempty"`     // of the commit
	Modified bool   `json:"modified,omitempty"` // files were not as in the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// This returns the version of the program that calls it.
func This() Version {
	v := Version{Release: Release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.time":
				v.Time = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	return v
}

// String returns the version on one line.
func (v Version) String() string {
	commit := "built outside git"
	if v.Commit != "" {
		commit = "commit " + v.Commit[:min(12, len(v.Commit))]
		if v.Modified {
			commit += ", modified"
		}
	}
	return fmt.Sprintf("ovzpatch %s (%s, %s)", v.Release, commit, strings.Replace(v.Go, "go", "Go ", 1))
}
