// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/spec"
	"ovzpatch/specs"
)

// ownSwitch is the %bcond of our spec that --without-patch switches off.
const ownSwitch = "ovzpatch"

// Check refuses values that no recipe can take.
func (o *Options) Check() error {
	for _, d := range o.Defines {
		if name, _, ok := strings.Cut(d, " "); !ok || name == "" {
			return job.BadRequest(fmt.Errorf("--define %q: it must be a name, a space, and a value", d))
		}
	}
	if err := spec.CheckTag(o.Tag); err != nil {
		return job.BadRequest(fmt.Errorf("--release-tag: %w", err))
	}
	if err := o.checkSwitches(); err != nil {
		return err
	}
	_, err := kernel.Arch(o.Target)
	return err
}

// switchName matches what rpmbuild accepts as the name of a switch.
var switchName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// checkSwitches refuses switches that would leave the patch out of a build that claims to have it.
func (o *Options) checkSwitches() error {
	for _, name := range append(slices.Clone(o.With), o.Without...) {
		switch {
		case !switchName.MatchString(name):
			return job.BadRequest(fmt.Errorf("--with/--without %q: it must be a name of letters, digits and underscores", name))
		case name == ownSwitch:
			return job.BadRequest(errors.New("--with/--without ovzpatch: use ovzpatch build --without-patch for a kernel without the patch"))
		case name == "vanilla":
			return job.BadRequest(errors.New("--with/--without vanilla: a kernel without patches would be without ours, too"))
		}
		if slices.Contains(o.With, name) && slices.Contains(o.Without, name) {
			return job.BadRequest(fmt.Errorf("--with %s and --without %s: choose one", name, name))
		}
	}
	for _, d := range o.Defines {
		name, _, _ := strings.Cut(d, " ")
		for _, word := range []string{ownSwitch, "vanilla", "nopatches"} {
			if strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, "_"), "with_"), "without_") == word {
				return job.BadRequest(fmt.Errorf("--define %q: that would leave the patch out; use ovzpatch build --without-patch for a kernel without it", d))
			}
		}
	}
	return nil
}

// ownFlavour returns the flavour of our own spec that was asked for, "" for the plain kernel.
func (o *Options) ownFlavour(arch string) (string, error) {
	there := specs.Flavours(arch)
	switch {
	case len(o.Flavours) == 0:
		return "", nil
	case len(o.Flavours) > 1:
		return "", job.BadRequest(fmt.Errorf("--flavour=%s: our own spec builds one flavour at a time; run ovzpatch once for each", strings.Join(o.Flavours, ",")))
	}
	if at := slices.IndexFunc(there, func(name string) bool { return strings.EqualFold(name, o.Flavours[0]) }); at >= 0 {
		return there[at], nil
	}
	if len(there) == 0 {
		return "", job.BadRequest(fmt.Errorf("--flavour=%s: our own spec has no flavours for --target=%s; %s is for i686", o.Flavours[0], o.Target, specs.PAE))
	}
	return "", job.BadRequest(fmt.Errorf("--flavour=%s: our own spec has %s for --target=%s, and without --flavour the plain kernel", o.Flavours[0], strings.Join(there, ", "), o.Target))
}

// switchFlavours finds the switches with which a foreign spec builds the flavours that were asked for, and reports
// them.
func (o *Options) switchFlavours(ctx context.Context, u job.Reporter, r *Recipe) error {
	if len(o.Flavours) == 0 {
		return nil
	}
	chosen, built, err := r.Spec.SelectFlavours(r.SpecOptions(ctx), o.Flavours)
	if _, ok := errors.AsType[*spec.FlavourError](err); ok {
		return job.BadRequest(err)
	}
	if err != nil {
		return err
	}
	r.With, r.Without = chosen.With, chosen.Without
	var names, extra []string
	for _, b := range built {
		names = append(names, b.Name)
		if !slices.ContainsFunc(o.Flavours, func(w string) bool { return strings.EqualFold(w, b.Name) }) {
			extra = append(extra, b.Name)
		}
	}
	said := ""
	for _, w := range chosen.With {
		said += " --with " + w
	}
	for _, w := range chosen.Without {
		said += " --without " + w
	}
	if said == "" {
		said = " as it is"
	}
	u.Say("flavours %s: %s builds them%s", strings.Join(names, ", "), r.Spec.Name(), said)
	if extra != nil {
		u.Say("%s come with it: rpmbuild has no option that disables only them", strings.Join(extra, ", "))
	}
	return nil
}

// SpecOptions returns the options for reading the recipe's spec on this machine.
func (r *Recipe) SpecOptions(ctx context.Context) spec.Options {
	o := spec.Options{Target: r.Target, With: r.With, Without: r.Without}
	// Specs ask for the distribution, which only rpm knows.
	systems := []string{"rhel", "fedora", "centos"}
	ask := []string{"rpm"}
	for _, name := range systems {
		ask = append(ask, "--eval", "%{?"+name+"}")
	}
	if out, err := (rpmbuild.Root{}).Query(ctx, ask...); err == nil {
		for i, value := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
			switch value = strings.TrimSpace(value); {
			case i >= len(systems):
			case value != "":
				o.Defines = append(o.Defines, systems[i]+" "+value)
			default:
				o.Undefined = append(o.Undefined, systems[i])
			}
		}
	}
	o.Defines = append(o.Defines, r.Defines...)
	return o
}
