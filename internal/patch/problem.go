// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"strings"
)

// Reason is why a hunk, or a whole file's change, cannot be applied.
type Reason string

// The reasons. Their text completes the sentence "hunk 3 ...".
const (
	NoMatch       Reason = "does not match"
	Ambiguous     Reason = "fits in more than one place"
	OtherFunction Reason = "fits only in another function than its header names"
	Applied       Reason = "is already applied, but the rest of the patch is not"
	Missing       Reason = "is for a file that does not exist"
	Exists        Reason = "creates a file that already exists"
	Leftover      Reason = "deletes a file that would not be empty"
	UnsafeName    Reason = "names a file outside the tree"
	Unsupported   Reason = "is of an unsupported kind"
)

// Problem is one reason why a patch cannot be applied.
type Problem struct {
	File      string // name in the tree
	Hunk      int    // from 1; 0 if it is about the whole file
	Line      int    // in the file, where the hunk was expected; 0 if unknown
	PatchLine int    // in the patch, of the hunk or the file's change
	Reason    Reason
	Detail    string   // more facts: the other places, the functions
	Closest   *Closest // for NoMatch: the place that resembles it most, or nil

	section *File  // the patch's change of one file that it is about
	reject  string // the hunk as text, for the reject file
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Hunk > 0 {
		fmt.Fprintf(&b, ": hunk %d (patch line %d) %s", p.Hunk, p.PatchLine, p.Reason)
	} else {
		fmt.Fprintf(&b, ": the change (patch line %d) %s", p.PatchLine, p.Reason)
	}
	if p.Detail != "" {
		fmt.Fprintf(&b, ": %s", p.Detail)
	}
	if p.Closest != nil {
		fmt.Fprintf(&b, "; the closest place is line %d, where %d of %d lines are the same", p.Closest.Line, p.Closest.Same, p.Closest.Of)
	}
	return b.String()
}

// maxTold is how many problems an error tells: the patch of a whole release may have thousands on another tree.
const maxTold = 100

// NotApplicable is the error for a patch that cannot be applied. Nothing was changed.
type NotApplicable struct {
	Patch    string // its name
	Problems []*Problem
}

func (e *NotApplicable) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "place patch %s:", e.Patch)
	for i, p := range e.Problems {
		if i == maxTold {
			fmt.Fprintf(&b, "\n\tand %d more", len(e.Problems)-maxTold)
			break
		}
		fmt.Fprintf(&b, "\n\t%v", p)
	}
	return b.String()
}

// Unwrap returns every *Problem.
func (e *NotApplicable) Unwrap() []error {
	all := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		all[i] = p
	}
	return all
}
