// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/srpm"
)

// proveFlags say whether the place of the patch is proven.
type proveFlags struct{ yes, no bool }

func (f *proveFlags) register(c *cobra.Command, standard bool) {
	c.Flags().BoolVar(&f.yes, "prove", standard, "run %prep of the patched package and look for the patch in the tree that %build works in")
	c.Flags().BoolVar(&f.no, "no-prove", false, "do not: for a machine that lacks what %prep needs, or must not run the package's scripts")
	c.MarkFlagsMutuallyExclusive("prove", "no-prove")
}

// prove runs %prep of a package with its own spec, into which the patch was put.
func (f *proveFlags) prove(ctx context.Context, u job.Reporter, r *recipe) error {
	switch {
	case !r.foreign:
		return nil
	case f.no || !f.yes:
		u.Say("that %%prep of %s puts the patch where %%build compiles is read from its text, and not proven", r.SpecName)
		return nil
	case r.root != rpmbuild.Root{}:
		u.Say("that the patch is where %%build compiles is not proven: %%prep would have to run in %s", rootName(r.root))
		return nil
	}
	dir, err := os.MkdirTemp("", "ovzpatch-proof-")
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	defer os.RemoveAll(dir)
	u.Say("proving: this machine runs %%prep of %s", r.SpecName)
	found, err := r.Prove(ctx, srpm.Proof{PatchFile: r.port, With: r.with, Without: r.without, Dir: dir})
	var not *srpm.NotProven
	var spec *srpm.SpecError
	switch {
	case errors.As(err, &not), errors.As(err, &spec):
		return err
	case err != nil:
		return fmt.Errorf("%w\ntry rpmbuild -bp on the original: where that works, the patch was put in the wrong place, so add it by hand or use --spec=replace; where it does not, %%prep lacks something on this machine", err)
	}
	u.Say("proven: after %%prep the patch is in %s, once, where %%build begins (%v)", found.Tree, found.Duration.Round(100*time.Millisecond))
	return nil
}
