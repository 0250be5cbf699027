// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"context"
	"fmt"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/srpm"
)

// Package makes a source RPM with the patch in the directory out and returns its path. With place it first
// proves where the patch lies.
func Package(ctx context.Context, source, out string, place bool, o Options) (string, error) {
	s, err := Make(ctx, source, o)
	if err != nil {
		return "", err
	}
	defer s.Close()
	if s.With.Foreign && len(o.Flavours) > 0 {
		o.Report.Say("the source RPM holds all flavours: pass these switches to whatever builds it")
	}
	if err := s.ProvePlace(ctx, o.Report, place); err != nil {
		return "", err
	}
	undo, err := atomicfile.MakeDir(out)
	if err != nil {
		return "", fmt.Errorf("make output directory: %w", err)
	}
	s.With.Inputs.Keep = source
	path, err := srpm.Build(ctx, s.With.Inputs, out)
	if err != nil {
		undo()
	}
	return path, err
}
