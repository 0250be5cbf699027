// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"io"
	"strings"

	"ovzpatch/internal/terminal"
)

// Result is what was published.
type Result struct {
	Dir        string    `json:"directory"`
	Generation *Record   `json:"generation"`
	Changed    bool      `json:"changed"` // false where it was so already
	LeftOut    []LeftOut `json:"left_out,omitempty"`
	// Outside is what packages want of the system that they are installed on.
	Outside []string `json:"outside,omitempty"`
}

// Text says for people what is published, kernel by kernel.
func (r *Result) Text(w io.Writer) error {
	t := terminal.NewTable(w)
	for _, p := range r.Generation.Kernels() {
		proved := "proved"
		if !p.Proved {
			proved = "UNPROVED"
		}
		t.Row(p.NEVRA(), proved, p.Snapshot)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	how := "published"
	if !r.Changed {
		how = "unchanged:"
	}
	var profiles []string
	for _, p := range r.Generation.Profiles {
		profiles = append(profiles, string(p))
	}
	_, err := fmt.Fprintf(w, "%s generation %d (%s) in %s, signed by %s\n", how, r.Generation.Number, strings.Join(profiles, ", "), r.Dir, r.Generation.Key)
	return err
}
