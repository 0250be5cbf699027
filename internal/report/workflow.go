// SPDX-License-Identifier: Apache-2.0

package report

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"
)

// Workflow is the CI system that this program runs in; nil is none. It reads commands in what we
// write to standard error.
type Workflow struct {
	w      io.Writer
	github bool
	token  string // ends a time in which GitHub obeys no commands
}

// NewWorkflow looks at the environment. GitHub obeys each line that starts with ::, whoever wrote it: a
// guest's console or a compiler must not get that far. So commands are off, but for our own.
func NewWorkflow(getenv func(string) string, w io.Writer) *Workflow {
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		f := &Workflow{w: w, github: true, token: "ovzpatch-" + rand.Text()}
		f.off()
		return f
	case getenv("GITLAB_CI") == "true":
		return &Workflow{w: w}
	}
	return nil
}

func (f *Workflow) off() { fmt.Fprintf(f.w, "::stop-commands::%s\n", f.token) }

// On lets GitHub obey commands again: the next program's, at the end.
func (f *Workflow) On() {
	if f != nil && f.github {
		fmt.Fprintf(f.w, "::%s::\n", f.token)
	}
}

// maxAnnotations is how many errors of one step GitHub shows.
const maxAnnotations = 10

// Annotate makes GitHub show the problems at the run. GitLab reads them from a report.
func (f *Workflow) Annotate(file string, problems []Problem) {
	if f == nil || !f.github || len(problems) == 0 {
		return
	}
	f.On()
	defer f.off()
	for i, p := range problems {
		if i == maxAnnotations-1 && len(problems) > maxAnnotations {
			fmt.Fprintf(f.w, "::error title=ovzpatch::%d more problems: see the report\n", len(problems)-i)
			return
		}
		in := ""
		if file != "" {
			in = "file=" + property(file) + ","
		}
		fmt.Fprintf(f.w, "::error %stitle=%s::%s\n", in, property(p.Test), data(p.Message))
	}
}

// Section folds what show writes in GitLab's job log.
func (f *Workflow) Section(name, head string, show func() error) error {
	if f == nil || f.github {
		return show()
	}
	fmt.Fprintf(f.w, "\x1b[0Ksection_start:%d:%s\r\x1b[0K%s\n", time.Now().Unix(), name, head)
	err := show()
	fmt.Fprintf(f.w, "\x1b[0Ksection_end:%d:%s\r\x1b[0K\n", time.Now().Unix(), name)
	return err
}

// data and property are a text in GitHub's commands.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}
