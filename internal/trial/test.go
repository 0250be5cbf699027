// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/build"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/preflight"
	"ovzpatch/internal/report"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/tool"
)

// Request is one kernel to test.
type Request struct {
	// Kernel is what is booted. With Store its package is the name of a snapshot.
	Kernel    Choice
	Expect    guest.Verdict
	Livepatch string // the module on trial, in its four states; "" for none
	// Store opens the datastore of the snapshot, which gets the verdict; nil for none.
	Store func() (*datastore.Store, error)
	// ControlOf is the snapshot of the same kernel with the patch, which gets the verdict as that of
	// its control; "" for none.
	ControlOf string
}

// Check refuses what no test can do.
func (q *Request) Check() error {
	if q.Expect != "" && q.Expect != guest.Protected && q.Expect != guest.Vulnerable {
		return job.BadRequest(fmt.Errorf("--expect=%s: it must be %s or %s", q.Expect, guest.Protected, guest.Vulnerable))
	}
	if q.ControlOf != "" && q.Store == nil {
		return job.BadRequest(errors.New("--control-of: it names a snapshot, so it needs --store"))
	}
	return checkLivepatch(q.Livepatch)
}

// Ready tells before anything slow what is missing: a file that is named, or a program.
// A kept kernel is looked for in its datastore.
func (c *Choice) Ready(kept bool) error {
	if err := c.Named(kept); err != nil {
		return err
	}
	if !c.Lustre.Given() {
		return tool.Need(tool.Guest, tool.Probe)
	}
	for _, path := range c.Lustre.From { // of both kinds
		if _, err := os.Stat(path); err != nil {
			return job.BadRequest(err)
		}
	}
	return tool.Need(tool.Guest)
}

// Named tells which of the files that are named is missing.
func (c *Choice) Named(kept bool) error {
	err := errors.Join(
		preflight.File("devel", c.Devel), preflight.File("kernel", c.Image), preflight.File("lustre-setup", c.Lustre.Setup),
		preflight.File("keyring", c.Keyring), preflight.Dir("modules", c.Modules))
	if kept {
		return err
	}
	return errors.Join(preflight.File("", c.Package), err)
}

// CheckWhole refuses a part of the trial where a datastore keeps the verdict: publish takes that as a
// proof. A setting, too, may have chosen the part.
func (o *Options) CheckWhole() error {
	var part string
	switch {
	case o.Cases != "":
		part = "--cases=" + o.Cases
	case len(o.Containers) > 0:
		part = "--container=" + strings.Join(o.Containers, ",")
	default:
		return nil
	}
	return job.BadRequest(fmt.Errorf("%s (from here or ovzpatch config show): with --store the verdict is a proof, so all cases are tried in all containers; leave it out", part))
}

// Test boots the kernel and puts into r what is found, also where an error ends it early.
func Test(ctx context.Context, q Request, r *report.Report, o Options) error {
	var kept, patched *snapshot
	if q.Store != nil && q.Kernel.Package != "" {
		var err error
		if kept, err = q.open(ctx); err != nil {
			return err
		}
		defer kept.Close()
		if q.Kernel, err = kept.kernel(ctx, q.Kernel, o.Report); err != nil {
			return err
		}
		if patched, err = kept.controlOf(ctx, q.ControlOf); err != nil {
			return err
		}
		if patched != nil {
			defer patched.Close()
		}
	}
	dir, remove, err := scratch.New("", "kernel")
	if err != nil {
		return fmt.Errorf("unpack kernel: %w", err)
	}
	defer remove()
	t := Trial{Label: "this kernel", Expect: q.Expect}
	if q.Kernel.Package != "" {
		if err := t.Of(q.Kernel.Package); err != nil {
			return err
		}
	}
	if t.Kernel, err = q.Kernel.Unpack(ctx, dir, o); err != nil {
		return err
	}
	if err := o.Accelerate(ctx); err != nil {
		return err
	}
	r.Accel = o.Accel.Name
	if q.Livepatch != "" {
		r.Kernels, err = RunLivepatch(ctx, t, q.Livepatch, o)
		return err
	}
	k, err := Run(ctx, t, o)
	if k != nil {
		r.Kernels = append(r.Kernels, *k)
	}
	if err == nil && kept != nil {
		err = Keep(ctx, kept.store, kept.Ref, k)
	}
	if err == nil && patched != nil {
		err = KeepControl(ctx, kept.store, patched.Ref, k)
	}
	return err
}

// snapshot is one of a datastore, which stays whole until it is closed.
type snapshot struct {
	store *datastore.Store
	*datastore.Reader
}

func openSnapshot(ctx context.Context, s *datastore.Store, name string) (*snapshot, error) {
	ref, err := datastore.ParseRef(name)
	if err != nil {
		return nil, job.BadRequest(err)
	}
	r, err := s.OpenSnapshot(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &snapshot{s, r}, nil
}

// open opens the snapshot that is tested.
func (q *Request) open(ctx context.Context) (*snapshot, error) {
	s, err := q.Store()
	if err != nil {
		return nil, err
	}
	return openSnapshot(ctx, s, q.Kernel.Package)
}

// controlOf opens the snapshot whose control this one is to be; nil for "".
func (s *snapshot) controlOf(ctx context.Context, name string) (*snapshot, error) {
	if name == "" {
		return nil, nil
	}
	patched, err := openSnapshot(ctx, s.store, name)
	if err != nil {
		return nil, err
	}
	if err := IsControl(ctx, s.Reader, patched.Reader); err != nil {
		return nil, errors.Join(err, patched.Close())
	}
	return patched, nil
}

// kernel is the choice of the snapshot's kernel, and its -devel package.
func (s *snapshot) kernel(ctx context.Context, c Choice, u job.Reporter) (Choice, error) {
	if err := s.Whole(); err != nil {
		return c, err
	}
	kernels, err := build.FromSnapshot(s.Reader).Kernels(ctx)
	if err != nil {
		return c, err
	}
	if len(kernels) > 1 {
		u.Say("the snapshot holds %d kernels; this tests %s", len(kernels), filepath.Base(kernels[0].Kernel))
	}
	c.Package, c.Devel = kernels[0].Kernel, kernels[0].Devel
	return c, nil
}
