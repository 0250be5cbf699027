// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"

	"ovzpatch/internal/cache"
)

// Problem is a test that did not pass, in a few words that no terminal and no CI system obeys.
type Problem struct {
	Test    string // class and name
	Message string // one line
	Kernel  bool   // the kernel misbehaved; else something around it broke, or there is no evidence
}

// Problems are the tests that did not pass.
func (r *Report) Problems() []Problem {
	var list []Problem
	for _, s := range r.suites() {
		for _, t := range s.tests {
			if t.status == failed || t.status == errored {
				list = append(list, Problem{t.class + "." + t.name, t.message, t.status == failed})
			}
		}
	}
	return list
}

// CodeQuality writes the problems as GitLab's code quality report, which is shown in merge requests.
func (r *Report) CodeQuality(w io.Writer) error {
	type lines struct {
		Begin int `json:"begin"`
	}
	type location struct {
		Path  string `json:"path"`
		Lines lines  `json:"lines"`
	}
	type entry struct {
		Description string   `json:"description"`
		CheckName   string   `json:"check_name"`
		Fingerprint string   `json:"fingerprint"`
		Severity    string   `json:"severity"`
		Location    location `json:"location"`
	}
	list := []entry{}
	path := oneLine(cmp.Or(r.Patch, r.Source, runSuite), maxMessage)
	for _, p := range r.Problems() {
		// The same problem of the next run has the same fingerprint.
		e := entry{p.Test + ": " + p.Message, "ovzpatch", cache.SHA256([]byte(p.Test)), "major", location{path, lines{1}}}
		if p.Kernel {
			e.Severity = "critical"
		}
		list = append(list, e)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(list); err != nil {
		return fmt.Errorf("write code quality report: %w", err)
	}
	return nil
}
