// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/srpm"
)

// ProvePlace proves that the patch in a source RPM's own spec reaches what %build compiles: it runs %prep and
// %build, and looks. Where it cannot or may not, it reports that nothing is proven.
func (s *Sides) ProvePlace(ctx context.Context, u job.Reporter, prove bool) error {
	r, parent := s.With, ""
	switch {
	case !r.Foreign:
		return nil
	case !prove:
		u.Say("read from the spec's text and not proven: that %%prep of %s puts the patch where %%build compiles", r.Spec.Name())
		return nil
	case r.Root.Mock != "":
		u.Say("not proven: that the patch is where %%build compiles; to prove it, %%prep would have to run in %s", r.Root.Name())
		return nil
	case r.Root.Chroot != "":
		if err := r.Root.Check(ctx); err != nil {
			return err
		}
		parent = filepath.Join(r.Root.Chroot, "var/tmp")
	}
	dir, remove, err := scratch.New(parent, "proof")
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	defer remove()
	u.Say("proving: %s runs %%prep of %s without and with the patch, and %%build with a make that compiles nothing", r.Root.Name(), r.Spec.Name())
	found, err := r.Prove(ctx, srpm.Proof{
		Original: s.Without.Inputs, PatchFile: r.Port, Files: r.Touched, With: r.With, Without: r.Without, Root: r.Root, Dir: dir,
		Apply: func(files map[string][]byte) (map[string][]byte, error) {
			return applyTo(files, r.Port, r.Texts[r.Port])
		},
	})
	switch {
	case errors.As(err, new(*srpm.NotProven)), ctx.Err() != nil:
		return err
	case err != nil:
		return fmt.Errorf("%w\nsee what %%prep lacks on this machine, or rely on the spec's text with --no-prove", err)
	}
	if len(found.Unsteady) > 0 {
		u.Say("not compared, because %%prep or %%build make them differently each time: %s", strings.Join(found.Unsteady, ", "))
	}
	u.Say("%s", shown(found))
	return nil
}

// shown describes what a proof has shown. It says "proven" only if nothing was left out.
func shown(found srpm.Proven) string {
	text := fmt.Sprintf("%s, the original's with the patch applied once (%v)", strings.Join(found.Trees, ", "), found.Duration.Round(100*time.Millisecond))
	if !found.Compiled {
		text = "after %prep the tree is " + text
	} else {
		text = "%build compiles in " + text
	}
	if len(found.Unseen) > 0 {
		return text + "; not seen: " + strings.Join(found.Unseen, "; ")
	}
	return "proven: " + text
}

// applyTo returns what a patch makes of files, as GNU patch would.
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
