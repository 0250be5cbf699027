// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"context"

	"ovzpatch/internal/report"
)

// Examine is Check with what else there is to say of a patch that fits: what the source's own
// checkpatch.pl says of its style and, unless t is nil, whether what it touches compiles.
func Examine(ctx context.Context, r Request, t *Trial) (*Fit, error) {
	f, err := Check(ctx, r)
	if f == nil {
		return nil, err
	}
	if err != nil {
		return f, err
	}
	found := &f.Findings
	found.Fits = true
	if found.Checkpatch, err = f.checkStyle(ctx); err != nil || t == nil {
		return f, err
	}
	if found.Compiled, err = f.compile(ctx, *t); err != nil {
		found.Compiled = NotCompiled
	}
	return f, err
}

// Note puts into a report which patch it is about.
func (f *Fit) Note(r *report.Report) {
	r.Line, r.Patch = f.Line, f.Name
	if f.Derived != nil {
		r.Derived = f.Derived.Summary()
	}
}
