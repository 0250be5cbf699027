// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/trial"
)

// release is the number of the release that this is, or will be: the one place where it stands.
// CHANGELOG.md has a section of that name, and the tag is v and the number.
const release = "0.11.0"

// version is what this program is made of.
type version struct {
	Release  string `json:"release"`
	Commit   string `json:"commit,omitempty"`   // "" where it was built without git
	Time     string `json:"time,omitempty"`     // of the commit
	Modified bool   `json:"modified,omitempty"` // files were not as in the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Guest are the programs that guests are made of, and their SHA-256.
	Guest []trial.Program `json:"guest"`
}

// thisProgram is the version without the guest programs.
func thisProgram() version {
	v := version{Release: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
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

// line is the version on one line, as `ovzpatch --version` prints it.
func (v version) line() string {
	commit := "built outside git"
	if v.Commit != "" {
		commit = "commit " + v.Commit[:min(12, len(v.Commit))]
		if v.Modified {
			commit += ", modified"
		}
	}
	return fmt.Sprintf("ovzpatch %s (%s, %s)", v.Release, commit, strings.Replace(v.Go, "go", "Go ", 1))
}

func (v version) print(w io.Writer) error {
	fmt.Fprintln(w, v.line())
	for _, g := range v.Guest {
		if _, err := fmt.Fprintf(w, "%s  %s\n", g.SHA256, g.Path); err != nil {
			return err
		}
	}
	return nil
}

func newVersion(a *app) *cobra.Command {
	var out jsonFlag
	c := &cobra.Command{
		Use:   "version",
		Short: "Which release this is, from which commit, and with which guest programs",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v := thisProgram()
			var err error
			if v.Guest, err = trial.Installed(a.home); err != nil {
				return err
			}
			return out.print(c, v, v.print)
		},
	}
	out.register(c, "write it as JSON")
	return c
}
