// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/build"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/tool"
	"ovzpatch/internal/trial"
)

// testFlags say what a guest is to try.
type testFlags struct{ trial.Options }

func (f *testFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.Cases, "cases", "", "run only the cases whose name matches this regular expression")
	c.Flags().StringSliceVar(&f.Containers, "container", nil, "use only these container backends: ve, ve-cgroup, ve-userns, namespaces, userns (default: VEs if the kernel has them, otherwise all that it offers)")
	c.Flags().DurationVar(&f.Limit, "boot-timeout", 0, "time limit for one guest (default: from the measured speed of this machine)")
}

// check refuses what no guest can try, and completes the options.
func (f *testFlags) check(a *app, u job.Reporter) error {
	f.Cache, f.Home, f.Report = cache.Cache{Dir: a.cacheDir}, a.home, u
	return f.Check()
}

// whole refuses a part of the trial where a datastore keeps the verdict: publish takes that as a proof.
// A setting, too, may have chosen the part.
func (f *testFlags) whole(store string) error {
	var part string
	switch {
	case store == "":
		return nil
	case f.Cases != "":
		part = "--cases=" + f.Cases
	case len(f.Containers) > 0:
		part = "--container=" + strings.Join(f.Containers, ",")
	default:
		return nil
	}
	return usage(fmt.Errorf("%s (from here or ovzpatch config show): with --store the verdict is a proof, so all cases are tried in all containers; leave it out", part))
}

// kernelFlags say which kernel a guest boots.
type kernelFlags struct {
	trial.Choice
	key keyFlags
}

func (f *kernelFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.Devel, "devel", "", "the kernel's -devel package, against which the probe is built (default: the one beside RPM)")
	c.Flags().StringVar(&f.Image, "kernel", "", "boot this bare kernel image instead of a package; needs --modules")
	c.Flags().StringVar(&f.Modules, "modules", "", "the bare kernel's /lib/modules/RELEASE, whose build link leads to the directory where it was compiled")
	c.MarkFlagsRequiredTogether("kernel", "modules")
	f.key.register(c)
	c.Flags().StringArrayVar(&f.Lustre.From, "lustre", nil, "use your own Lustre instead of the probe: a directory that is laid over the guest's root, or an RPM that is unpacked there; may be repeated")
	c.Flags().StringVar(&f.Lustre.Setup, "lustre-setup", "", "a script that the guest runs before it mounts (default: none)")
	c.Flags().StringVar(&f.Lustre.Mount, "mount", "", "what the guest mounts, for example 10.0.0.1@tcp:/lustre")
	c.MarkFlagsRequiredTogether("lustre", "mount")
	c.MarkFlagsMutuallyExclusive("lustre", "devel")
	c.MarkFlagsMutuallyExclusive("kernel", "devel")
	c.MarkFlagsMutuallyExclusive("kernel", "keyring")
}

// check tells whether the arguments and flags name exactly one kernel, and what belongs
// to a Lustre of the user's fits together.
func (f *kernelFlags) check(c *cobra.Command, args []string) error {
	if (len(args) == 1) == (f.Image != "") {
		return usage(fmt.Errorf("name one kernel: a kernel package, or --kernel and --modules; see %s --help", c.CommandPath()))
	}
	if len(args) == 1 {
		f.Package = args[0]
	}
	f.Keyring = f.key.keyring
	return f.Lustre.Check()
}

// ready tells what is missing before anything slow is begun: a file that is named, and a
// program. A kept kernel is looked for in its datastore.
func (f *kernelFlags) ready(kept bool) error {
	err := errors.Join(
		needFile("devel", f.Devel, false), needFile("kernel", f.Image, false), needFile("lustre-setup", f.Lustre.Setup, false),
		needFile("keyring", f.key.keyring, false), needFile("modules", f.Modules, true))
	if !kept {
		err = errors.Join(needFile("", f.Package, false), err)
	}
	if err != nil {
		return err
	}
	for _, path := range f.Lustre.From { // of both kinds
		if _, err := os.Stat(path); err != nil {
			return usage(err)
		}
	}
	if f.Lustre.Given() {
		return tool.Need(tool.Guest)
	}
	return tool.Need(tool.Guest, tool.Probe)
}

// needFile refuses the name of nothing, and of a directory where a file is wanted, or the reverse;
// "" is not named. flag is "" for an argument.
func needFile(flag, path string, dir bool) error {
	if path == "" {
		return nil
	}
	st, err := os.Stat(path)
	switch {
	case err != nil:
	case dir && !st.IsDir():
		err = fmt.Errorf("%s: it is not a directory", path)
	case !dir && st.IsDir():
		err = fmt.Errorf("%s: it is a directory; name a file", path)
	}
	switch {
	case err == nil:
		return nil
	case flag != "":
		return usage(fmt.Errorf("--%s: %w", flag, err))
	}
	return usage(err)
}

func newTest(a *app) *cobra.Command {
	var (
		kernel kernelFlags
		test   testFlags
		rep    reportFlags
		expect string
		store  string
		of     string
		module string
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "test RPM|SNAPSHOT",
		Short: "Boot a kernel package in QEMU and find out whether it is protected",
		Long: `test boots the kernel of RPM exactly as it would ship, loads a probe module built
against its -devel package that stands in for Lustre, and tries in containers and
outside what umount2(MNT_FORCE) does. The verdict is protected, vulnerable, faulty
(as neither a patched nor an unpatched kernel does) or inconclusive.

With --lustre your own Lustre takes the place of the probe: its modules are loaded, the
script given with --lustre-setup is run, and the source given with --mount is mounted.
If that does not come up, the exit code is 1, for nothing is known of the kernel then.

With --livepatch the kernel is one without the port. In one boot all cases run with the module
loaded, and those that tell kernels apart before that, when it is disabled, and when it is
loaded again. The report has a column for each; all must be as expected.

With --store the argument is a snapshot of that datastore, as ovzpatch store list shows
it, and the verdict goes into the snapshot's manifest. With --control-of it goes into
another snapshot's manifest, too: ovzpatch publish wants to know of a patched kernel that
the same source without the patch was vulnerable.
` + exitLongText,
		Example: `  ovzpatch test kernel-ovz-6.1.192-1.lustre1.x86_64.rpm --expect=protected
  ovzpatch test kernel-2.6.18-92.i686.rpm --devel kernel-devel-2.6.18-92.i686.rpm
  ovzpatch test --store builds kernel/kernel-ovz.x86_64/2026-11-20T22:05:00Z
  ovzpatch test kernel.rpm --lustre lustre-root --lustre-setup setup.sh --mount 10.0.0.1@tcp:/lustre
  ovzpatch test kernel.rpm --livepatch module/ovzlivepatch_1.ko
  ovzpatch test --kernel arch/x86/boot/bzImage --modules /tmp/root/lib/modules/6.1.192`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			u := newUI(c)
			if err := kernel.check(c, args); err != nil {
				return err
			}
			if expect != "" && expect != string(guest.Protected) && expect != string(guest.Vulnerable) {
				return usage(fmt.Errorf("--expect=%s: it must be protected or vulnerable", expect))
			}
			if of != "" && store == "" {
				return usage(errors.New("--control-of: it names a snapshot, so it needs --store"))
			}
			if err := needFile("livepatch", module, false); err != nil {
				return err
			}
			if err := errors.Join(test.check(a, u), test.whole(store), rep.check()); err != nil {
				return err
			}
			if err := kernel.ready(store != ""); err != nil {
				return err
			}
			if err := a.readyCache(); err != nil {
				return err
			}
			r := &report.Report{Source: kernel.Package}
			err := try(c.Context(), r, &kernel, &test, guest.Verdict(expect), store, of, module)
			return rep.finish(c, r, err, asJSON)
		},
	}
	kernel.register(c)
	test.register(c)
	rep.register(c)
	c.Flags().StringVar(&store, "store", "", "test a snapshot of this datastore, and record the verdict there")
	c.Flags().StringVar(&module, "livepatch", "", "try this module of ovzpatch livepatch: boot the kernel once and show it vulnerable, loaded: protected, disabled: vulnerable again, loaded again: protected")
	c.Flags().StringVar(&of, "control-of", "", "the kernel on trial is that of this snapshot without the patch: record the verdict there, too, as its control")
	c.MarkFlagsMutuallyExclusive("control-of", "kernel")
	c.MarkFlagsMutuallyExclusive("store", "kernel")
	c.MarkFlagsMutuallyExclusive("store", "devel")
	c.Flags().StringVar(&expect, "expect", "", "the expected verdict: protected or vulnerable; any other ends with exit code 4")
	c.Flags().BoolVar(&asJSON, "json", false, "write the report as JSON")
	for _, other := range []string{"expect", "store", "lustre"} {
		c.MarkFlagsMutuallyExclusive("livepatch", other)
	}
	c.RegisterFlagCompletionFunc("expect", cobra.FixedCompletions([]string{"protected", "vulnerable"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// try boots the kernel and puts into r what is found. With store the kernel is a snapshot's, and may be
// the control of another.
func try(ctx context.Context, r *report.Report, kernel *kernelFlags, test *testFlags, expect guest.Verdict, store, of, module string) error {
	var kept, patched *snapshot
	if store != "" && kernel.Package != "" {
		var err error
		if kept, err = kernel.fromSnapshot(ctx, test.Report, store, kernel.Package); err != nil {
			return err
		}
		defer kept.Close()
		if patched, err = kept.controlOf(ctx, of); err != nil {
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
	t := trial.Trial{Label: "this kernel", Expect: expect}
	if kernel.Package != "" {
		if err := t.Of(kernel.Package); err != nil {
			return err
		}
	}
	if t.Kernel, err = kernel.Unpack(ctx, dir, test.Options); err != nil {
		return err
	}
	if err := test.Accelerate(ctx); err != nil {
		return err
	}
	r.Accel = test.Accel.Name
	if module != "" {
		r.Kernels, err = trial.RunLivepatch(ctx, t, module, test.Options)
		return err
	}
	k, err := trial.Run(ctx, t, test.Options)
	if k != nil {
		r.Kernels = append(r.Kernels, *k)
	}
	if err == nil && kept != nil {
		err = trial.Keep(ctx, kept.store, kept.Ref, k)
	}
	if err == nil && patched != nil {
		err = trial.KeepControl(ctx, kept.store, patched.Ref, k)
	}
	return err
}

// snapshot is one of a datastore, which stays whole until it is closed.
type snapshot struct {
	store *datastore.Store
	*datastore.Reader
}

// controlOf opens the snapshot whose control this one is to be; nil for "".
func (s *snapshot) controlOf(ctx context.Context, name string) (*snapshot, error) {
	if name == "" {
		return nil, nil
	}
	ref, err := parseRef(name)
	if err != nil {
		return nil, err
	}
	patched, err := s.store.OpenSnapshot(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := trial.IsControl(ctx, s.Reader, patched); err != nil {
		return nil, errors.Join(err, patched.Close())
	}
	return &snapshot{s.store, patched}, nil
}

// fromSnapshot takes the kernel of a snapshot, and its -devel package.
func (f *kernelFlags) fromSnapshot(ctx context.Context, u job.Reporter, dir, name string) (_ *snapshot, err error) {
	s, err := openStore(dir)
	if err != nil {
		return nil, err
	}
	ref, err := datastore.ParseRef(name)
	if err != nil {
		return nil, usage(err)
	}
	snap, err := s.OpenSnapshot(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, snap.Close())
		}
	}()
	if err := snap.Whole(); err != nil {
		return nil, err
	}
	kernels, err := build.FromSnapshot(snap).Kernels(ctx)
	if err != nil {
		return nil, err
	}
	if len(kernels) > 1 {
		u.Say("the snapshot holds %d kernels; this tests %s", len(kernels), filepath.Base(kernels[0].Kernel))
	}
	f.Package, f.Devel = kernels[0].Kernel, kernels[0].Devel
	return &snapshot{s, snap}, nil
}
