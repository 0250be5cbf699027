// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/report"
	"ovzpatch/internal/trial"
)

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
				q.Store = func() (*datastore.Store, error) { return openStore(newUI(c), store) }
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
			if err := a.ready(); err != nil {
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
	c.Flags().StringVar(&q.Livepatch, "livepatch", "", "try this module of ovzpatch livepatch in one boot: the kernel must be vulnerable before, protected with the module loaded, vulnerable with it disabled, protected with it loaded again")
	c.Flags().StringVar(&q.ControlOf, "control-of", "", "the kernel is that of this snapshot without the patch: also record the verdict in the snapshot, as its control")
	c.MarkFlagsMutuallyExclusive("control-of", "kernel")
	c.MarkFlagsMutuallyExclusive("store", "kernel")
	c.MarkFlagsMutuallyExclusive("store", "devel")
	c.Flags().StringVar((*string)(&q.Expect), "expect", "", "the expected verdict: protected or vulnerable; exit code 4 for another, 5 where there is none")
	form.register(c, "write the report as JSON")
	for _, other := range []string{"expect", "store", "lustre"} {
		c.MarkFlagsMutuallyExclusive("livepatch", other)
	}
	cmdline.Complete(c, "expect", "protected", "vulnerable")
	return c
}
