// SPDX-License-Identifier: Apache-2.0

package prove

import (
	"context"
	"fmt"
	"path/filepath"

	"ovzpatch/internal/build"
	"ovzpatch/internal/livepatch"
	"ovzpatch/internal/report"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/trial"
)

// livepatch makes the port into a module for the kernel of a build without the patch, and tries it: one
// kernel of the report for each of its states.
func (o *Options) livepatch(ctx context.Context, b *build.Result) (states []report.Kernel, err error) {
	packages, err := b.Kernels(ctx)
	if err != nil {
		return nil, err
	}
	dir, remove, err := scratch.New("", "kernel")
	if err != nil {
		return nil, fmt.Errorf("make the livepatch: %w", err)
	}
	defer remove()
	choice := trial.Choice{Package: packages[0].Kernel, Devel: packages[0].Devel}
	t := trial.Trial{}
	if err := t.Of(choice.Package); err != nil {
		return nil, err
	}
	if t.Kernel, err = choice.Unpack(ctx, dir, o.Trial); err != nil {
		return nil, err
	}
	out := o.Out
	if out == "" {
		out = filepath.Join(dir, "livepatch")
	}
	m, err := livepatch.Build(ctx, livepatch.Options{
		Image: t.Kernel.Image, Modules: t.Kernel.Modules, Release: t.Kernel.Release, Devel: choice.Devel, Package: choice.Package,
		Output: out, Revision: 1, Report: o.Report,
	})
	if err != nil {
		return nil, err
	}
	for _, note := range m.Notes {
		o.Report.Say("%s", note)
	}
	states, err = trial.RunLivepatch(ctx, t, m.Path, o.Trial)
	for i := range states {
		states[i].Label = "livepatch " + states[i].Label
	}
	return states, err
}
