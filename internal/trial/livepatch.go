// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"ovzpatch/internal/extmod"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/preflight"
	"ovzpatch/internal/report"
)

// livepatchWork is how much more there is to do in a boot that tries a livepatch: all cases in one
// state, few in three others, and the ways between them.
const livepatchWork = 3

// expected is what a kernel without the port must be in each state.
var expected = map[string]guest.Verdict{
	guest.NotLoaded: guest.Vulnerable, guest.Loaded: guest.Protected,
	guest.Disabled: guest.Vulnerable, guest.LoadedAgain: guest.Protected,
}

// checkLivepatch refuses what --livepatch cannot mean, before anything slow; "" is none.
func checkLivepatch(module string) error {
	if module == "" {
		return nil
	}
	if err := preflight.File("livepatch", module); err != nil {
		return err
	}
	if _, err := extmod.Livepatch(module); err != nil {
		return fmt.Errorf("--livepatch: %w", err)
	}
	return nil
}

// withLivepatch lays a livepatch's module into the guest, "" for none. One that was made for another
// kernel is refused: this one would not load it.
func (k *Kernel) withLivepatch(module string) error {
	if module == "" {
		return nil
	}
	is, err := extmod.Release(module)
	if err != nil {
		return err
	}
	if is != k.Release {
		return job.BadRequest(fmt.Errorf("--livepatch: %s was built for kernel %s, but the kernel is %s, which would not load it: ovzpatch livepatch makes one for this kernel", module, is, k.Release))
	}
	name, err := extmod.Livepatch(module)
	if err != nil {
		return err
	}
	k.Livepatch, k.livepatchName = module, name
	return nil
}

// livepatch is where the guest has the module. The guest takes the name of one on trial from there,
// and its file may be called otherwise here.
func (k *Kernel) livepatch() string {
	return path.Join("/lib/modules", k.Release, "extra", k.livepatchName+".ko")
}

// RunLivepatch boots the kernel once, and tries all cases with the livepatch, and those that tell
// kernels apart without it, with it disabled, and with it loaded again: one kernel of the report each.
// Of a boot that broke off it returns what came before, too.
func RunLivepatch(ctx context.Context, t Trial, module string, o Options) ([]report.Kernel, error) {
	if err := t.Kernel.withLivepatch(module); err != nil {
		return nil, err
	}
	b := &boot{t: t, o: o}
	k, err := b.run(ctx)
	if k == nil {
		return nil, err
	}
	all, odd := columns(*k, b.states, err != nil)
	if odd != nil {
		odd = job.NoVerdict(fmt.Errorf("try the livepatch in the guest: %w (the console is in %s)", odd, k.Console))
	}
	return all, errors.Join(err, odd)
}

// columns splits what was seen in one boot by the states, in a boot that broke off up to the
// state in which it did. The guest is not believed that these are the right states: its kernel
// is on trial.
func columns(k report.Kernel, states []guest.State, broken bool) ([]report.Kernel, error) {
	order := []string{guest.NotLoaded, guest.Loaded, guest.Disabled, guest.LoadedAgain}
	var all []report.Kernel
	rest := k
	// next is the column of a state, with the first results of the rest.
	next := func(cases int) report.Kernel {
		c := rest
		c.Label, c.Expect, c.Results = order[len(all)], expected[order[len(all)]], rest.Results[:cases]
		c.Ended = rest.Ended[:min(cases, len(rest.Ended))]
		rest.Results, rest.Ended, rest.Notes = rest.Results[cases:], rest.Ended[len(c.Ended):], nil
		return c
	}
	for i, st := range states {
		if i >= len(order) || st.Name != order[i] {
			return nil, fmt.Errorf("its state %d is %q", i+1, st.Name)
		}
		if st.Cases < 0 || st.Cases > len(rest.Results) {
			return nil, fmt.Errorf("%q counts %d cases, but %d are left", st.Name, st.Cases, len(rest.Results))
		}
		c := next(st.Cases)
		c.Verdict, c.Broken, c.AtFault = st.Verdict, "", false
		if st.Failed != "" {
			c.Notes, c.Verdict = append(slices.Clip(c.Notes), st.Failed), guest.Faulty
			return append(all, c), nil
		}
		all = append(all, c)
	}
	if len(all) == len(order) {
		return all, nil
	}
	if broken {
		return append(all, next(len(rest.Results))), nil
	}
	return nil, errors.New("it ended before the livepatch was tried in all its states")
}

// told is what a state showed, for people.
func told(st guest.State) string {
	if st.Failed != "" {
		return st.Failed
	}
	text := fmt.Sprintf("%s, by %d cases", st.Verdict, st.Cases)
	if st.Name != guest.NotLoaded {
		text += fmt.Sprintf(", after %.1f s", float64(st.Millis)/1000)
	}
	return text
}
