// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func environment(name string) func(string) string {
	return func(asked string) string {
		if asked == name {
			return "true"
		}
		return ""
	}
}

// Nobody but us gives GitHub commands, and a text cannot end the time in which they are off.
func TestGitHubGetsOurCommandsOnly(t *testing.T) {
	var out strings.Builder
	f := NewWorkflow(environment("GITHUB_ACTIONS"), &out)
	var many []Problem
	for range 20 {
		many = append(many, Problem{Test: "a:b,c.boot", Message: "100%\n::warning::no"})
	}
	f.Annotate("my,patch", many)
	f.On()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2+1+maxAnnotations+1 || !strings.HasPrefix(lines[0], "::stop-commands::ovzpatch-") {
		t.Fatalf("got %q", lines)
	}
	token := strings.TrimPrefix(lines[0], "::stop-commands::")
	if lines[1] != "::"+token+"::" || lines[len(lines)-1] != "::"+token+"::" || lines[len(lines)-2] != lines[0] || len(token) < 30 {
		t.Errorf("got %q", lines)
	}
	if lines[2] != "::error file=my%2Cpatch,title=a%3Ab%2Cc.boot::100%25%0A::warning::no" {
		t.Errorf("got %q", lines[2])
	}
	if want := "::error title=ovzpatch::11 more problems: see the report"; lines[1+maxAnnotations] != want {
		t.Errorf("got %q, want %q", lines[1+maxAnnotations], want)
	}
}

func TestGitLabFoldsTheResult(t *testing.T) {
	var out strings.Builder
	f := NewWorkflow(environment("GITLAB_CI"), &out)
	f.Annotate("", []Problem{{Test: "x"}})
	f.On()
	bad := errors.New("no")
	err := f.Section("cases", "what was tried", func() error { out.WriteString("table\n"); return bad })
	want := regexp.MustCompile("^\x1b\\[0Ksection_start:[0-9]+:cases\r\x1b\\[0Kwhat was tried\ntable\n\x1b\\[0Ksection_end:[0-9]+:cases\r\x1b\\[0K\n$")
	if !errors.Is(err, bad) || !want.MatchString(out.String()) {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestNoWorkflow(t *testing.T) {
	var out strings.Builder
	f := NewWorkflow(environment("CI"), &out)
	f.Annotate("", []Problem{{Test: "x"}})
	f.On()
	if err := f.Section("a", "b", func() error { return nil }); err != nil || f != nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
}
