// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ovzpatch/internal/derive"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/patch"
	"ovzpatch/patches"
)

// Deriving says when a port is derived from the source itself.
type Deriving string

// When a port is derived. Where the user names a patch or a line, none is.
const (
	Auto   Deriving = "auto" // where no port of ours fits; so does ""
	Never  Deriving = "never"
	Always Deriving = "always"
)

// Derivings are the words for it.
var Derivings = []string{string(Never), string(Auto), string(Always)}

// With these three methods it is a flag's value.

func (d *Deriving) String() string { return string(cmp.Or(*d, Auto)) }

// Set refuses what is none of Derivings.
func (d *Deriving) Set(word string) error {
	if !slices.Contains(Derivings, word) {
		return fmt.Errorf("it is one of %s", strings.Join(Derivings, ", "))
	}
	*d = Deriving(word)
	return nil
}

// Type is how a flag's help calls the value.
func (*Deriving) Type() string { return "WHEN" }

// Derived is what is said of a port that was derived.
type Derived struct {
	Why string `json:"why"` // it was: what is wrong with ours
	*derive.Port
}

// Summary says in a line from what, why and what was derived.
func (d *Derived) Summary() string {
	return fmt.Sprintf("from the source itself, because %s: hook in %s(), a container is %s, its id %s", d.Why, d.Function, d.Container, d.ID)
}

// chosen reports whether the user chose the patch.
func (p Port) chosen() bool { return p.File != "" || p.Line != "" }

// mayDerive reports whether a port may be derived where ours is not there or does not fit.
func (p Port) mayDerive() bool { return !p.chosen() && p.Derive != Never }

// atOnce says why a port is derived at once; err is that of choosing ours.
func (p Port) atOnce(err error) (why string, derives bool) {
	none := errors.Is(err, kernel.ErrNoLine)
	switch {
	case p.Derive == Always && !p.chosen() && (err == nil || none):
		return "it was asked for", true
	case none && p.mayDerive():
		return "there is no port for this kernel", true
	}
	return "", false
}

// derive writes the port and takes it in the place of ours.
func (f *Fit) derive(ctx context.Context, why string) (*patch.Patch, error) {
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	k := f.Kernel
	src := derive.Source{
		Kernel: k.String(), Version: [3]int{k.Version, k.Patchlevel, k.Sublevel},
		Plain: k.Release() == "" && !f.redHats(), OpenVZ: k.OpenVZ(), Files: map[string][]byte{},
	}
	for name, file := range f.Files.Files {
		src.Files[name] = file.Data
	}
	port, err := derive.Derive(ctx, src, names)
	if _, ok := errors.AsType[*derive.Question](err); ok {
		return nil, job.Misfit(err)
	}
	if err != nil {
		return nil, err
	}
	f.Port, f.Tried, f.Derived = port.Patch, nil, &Derived{why, port}
	return patch.Parse(f.Name, f.Port)
}

// redHats reports whether the source says itself that it is one of Red Hat's.
func (f *Fit) redHats() bool {
	_, ok := f.Files.Files[RhelverFile]
	return ok
}

// instead derives a port where ours does not fit, or is not known to do what it is for. err
// is what is wrong with it.
func (f *Fit) instead(ctx context.Context, r Request, err error) error {
	var no *patch.NotApplicable
	var wrong *gate.Error
	switch {
	case !r.Port.mayDerive() || f.Derived != nil || f.own != nil && f.own.prepared.Held != nil:
		return err
	case !errors.As(err, &no) && !errors.As(err, &wrong), f.Findings.Own != nil && f.Findings.Own.Err() != nil:
		return err
	case f.Plan != nil && f.Plan.Applied:
		return err
	}
	wants := "does not fit"
	if wrong != nil {
		wants = "fits, but is " + string(wrong.Gate.Verdict)
	}
	p, cannot := f.derive(ctx, fmt.Sprintf("%s of %s %s", patches.Name, f.Line, wants))
	if cannot != nil {
		return errors.Join(err, cannot)
	}
	f.found(r)
	return f.judge(ctx, p, r.Place)
}
