// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
	"ovzpatch/internal/trial"
)

// testFlags say what a guest is to try.
type testFlags struct{ trial.Options }

func (f *testFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.Cases, "cases", "", "run only the cases whose name matches this regular expression")
	c.Flags().StringSliceVar(&f.Containers, "container", nil, "use only these container backends: ve, ve-cgroup, ve-userns, namespaces, userns (default: VEs if the kernel has them, otherwise all that it offers)")
	c.Flags().DurationVar(&f.Limit, "boot-timeout", 0, "time limit for one guest (default: from the measured speed of this machine)")
}

// check refuses what no guest can try, and completes the options. kept tells that a datastore gets
// the verdict.
func (f *testFlags) check(a *app, u job.Reporter, kept bool) error {
	f.Cache, f.Home, f.Report = cache.Cache{Dir: a.cacheDir}, a.home, u
	err := f.Check()
	if kept {
		err = errors.Join(err, f.CheckWhole())
	}
	return err
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
	c.Flags().StringVar(&f.Lustre.Listen, "lustre-listen", "", "wait at this ADDRESS:PORT of this machine for a second guest, and be 10.0.0.1 in a network with it")
	c.Flags().StringVar(&f.Lustre.Connect, "lustre-connect", "", "join the guest that waits at this ADDRESS:PORT, and be 10.0.0.2 in a network with it")
	c.MarkFlagsRequiredTogether("lustre", "mount")
	c.MarkFlagsMutuallyExclusive("lustre", "devel")
	c.MarkFlagsMutuallyExclusive("kernel", "devel")
	c.MarkFlagsMutuallyExclusive("kernel", "keyring")
}

// check tells whether the arguments and flags name exactly one kernel, and what belongs
// to a Lustre of the user's fits together.
func (f *kernelFlags) check(c *cobra.Command, args []string) error {
	if err := chooseKernel(c, &f.Choice, args); err != nil {
		return err
	}
	f.Keyring = f.key.keyring
	return f.Lustre.Check()
}

// chooseKernel takes the one kernel that arguments and flags name.
func chooseKernel(c *cobra.Command, kernel *trial.Choice, args []string) error {
	if (len(args) == 1) == (kernel.Image != "") {
		return usage(fmt.Errorf("name one kernel: a kernel package, or --kernel and --modules; see %s --help", c.CommandPath()))
	}
	if len(args) == 1 {
		kernel.Package = args[0]
	}
	return nil
}

func newTest(a *app) *cobra.Command {
	var (
		kernel kernelFlags
		test   testFlags
		rep    reportFlags
		q      trial.Request
		store  string
		form   jsonFlag
	)
	c := &cobra.Command{
		Use:   "test RPM|SNAPSHOT",
		Short: "Boot a kernel package in QEMU and find out whether it is protected",
		Args:  cobra.MaximumNArgs(1),
		PreRunE: func(c *cobra.Command, args []string) error {
			if err := kernel.check(c, args); err != nil {
				return err
			}
			if store != "" {
				q.Store = func() (*datastore.Store, error) { return openStore(store) }
			}
			if err := q.Check(); err != nil {
				return err
			}
			return errors.Join(test.check(a, newUI(c), store != ""), rep.check())
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := kernel.Ready(store != ""); err != nil {
				return err
			}
			if err := a.readyCache(); err != nil {
				return err
			}
			q.Kernel = kernel.Choice
			r := &report.Report{Source: kernel.Package}
			return rep.finish(c, r, trial.Test(c.Context(), q, r, test.Options), form)
		},
	}
	kernel.register(c)
	test.register(c)
	rep.register(c)
	c.Flags().StringVar(&store, "store", "", "test a snapshot of this datastore, and record the verdict there")
	c.Flags().StringVar(&q.Livepatch, "livepatch", "", "try this module of ovzpatch livepatch: boot the kernel once and show it vulnerable, loaded: protected, disabled: vulnerable again, loaded again: protected")
	c.Flags().StringVar(&q.ControlOf, "control-of", "", "the kernel on trial is that of this snapshot without the patch: record the verdict there, too, as its control")
	c.MarkFlagsMutuallyExclusive("control-of", "kernel")
	c.MarkFlagsMutuallyExclusive("store", "kernel")
	c.MarkFlagsMutuallyExclusive("store", "devel")
	c.Flags().StringVar((*string)(&q.Expect), "expect", "", "the expected verdict: protected or vulnerable; any other ends with exit code 4")
	form.register(c, "write the report as JSON")
	for _, other := range []string{"expect", "store", "lustre"} {
		c.MarkFlagsMutuallyExclusive("livepatch", other)
	}
	cmdline.Complete(c, "expect", "protected", "vulnerable")
	return c
}
