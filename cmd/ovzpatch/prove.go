// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/srpm"
)

// proveFlags say whether the place of the patch is proven.
type proveFlags struct{ yes, no bool }

func (f *proveFlags) register(c *cobra.Command, standard bool) {
	c.Flags().BoolVar(&f.yes, "prove", standard, "run %prep with and without the patch, and %build with a make that compiles nothing: nothing but the patch may differ, and it must be where %build compiles")
	c.Flags().BoolVar(&f.no, "no-prove", false, "do not: for a machine that lacks what %prep needs, or must not run the package's scripts")
	c.MarkFlagsMutuallyExclusive("prove", "no-prove")
}

// prove runs %prep and %build of a package with its own spec, into which the patch was put.
func (f *proveFlags) prove(ctx context.Context, u job.Reporter, s *sides) error {
	r, parent := s.with, ""
	switch {
	case !r.foreign:
		return nil
	case f.no || !f.yes:
		u.Say("that %%prep of %s puts the patch where %%build compiles is read from its text, and not proven", r.SpecName)
		return nil
	case r.root.Mock != "":
		u.Say("that the patch is where %%build compiles is not proven: %%prep would have to run in %s", rootName(r.root))
		return nil
	case r.root.Chroot != "":
		if err := checkChroot(ctx, r.root); err != nil {
			return err
		}
		parent = filepath.Join(r.root.Chroot, "var/tmp")
	}
	dir, remove, err := scratch.New(parent, "proof")
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	defer remove()
	u.Say("proving: %s runs %%prep of %s without and with the patch, and %%build with a make that compiles nothing", rootName(r.root), r.SpecName)
	found, err := r.Prove(ctx, srpm.Proof{
		Original: s.without.Inputs, PatchFile: r.port, Files: r.touched, With: r.with, Without: r.without, Root: r.root, Dir: dir,
		Apply: func(files map[string][]byte) (map[string][]byte, error) {
			return applyTo(files, r.port, r.Texts[r.port])
		},
	})
	if err != nil {
		return err
	}
	if len(found.Unsteady) > 0 {
		u.Say("not compared, as %%prep makes them otherwise each time: %s", strings.Join(found.Unsteady, ", "))
	}
	trees, took := strings.Join(found.Trees, ", "), found.Duration.Round(100*time.Millisecond)
	if found.Compiled {
		u.Say("proven: %%build compiles in %s, the original's with the patch, once (%v)", trees, took)
	} else {
		u.Say("after %%prep %s is the original's with the patch, once (%v); where %%build compiles was not seen: %s", trees, took, found.Unseen)
	}
	return nil
}

// applyTo gives what a patch makes of files, as GNU patch would.
func applyTo(files map[string][]byte, name string, text []byte) (map[string][]byte, error) {
	p, err := patch.Parse(name, text)
	if err != nil {
		return nil, err
	}
	plan, err := patch.NewPlan(p, func(name string) (patch.Content, error) {
		data, ok := files[name]
		if !ok {
			return patch.Content{}, fs.ErrNotExist
		}
		return patch.Content{Data: data, Mode: 0o644}, nil
	}, patch.Options{Strip: 1, Fuzz: 2, Nearest: true})
	if err != nil {
		return nil, err
	}
	for _, c := range plan.Changes {
		if c.After == nil {
			delete(files, c.Name)
		} else {
			files[c.Name] = c.After.Data
		}
	}
	return files, nil
}
