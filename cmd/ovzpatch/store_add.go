// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"ovzpatch/internal/adopt"
)

func newStoreAdd(f *storeFlags) *cobra.Command {
	var (
		o   adopt.Options
		key keyFlags
	)
	c := &cobra.Command{
		Use:   "add RPM...",
		Short: "Keep a kernel that was built elsewhere: by Koji, mock, OBS",
		Long: `add makes a snapshot of the packages of one build: a kernel, its -devel package, its source
package, and what else came of it. Every digest in them is verified, and that they belong
together. ovzpatch test --store then tries the kernel, and ovzpatch publish takes it.

The manifest says what the packages show: the source package and the spec and patch in it,
with their digests; whether the kernel's image holds the patch's message; rpm's version and
the build host, as the packages say them. Of compilers and options nothing is known.

Signed packages stay as they are; ovzpatch publish signs copies, with --resign.`,
		Example: `  ovzpatch store add result/*.rpm --log result/build.log
  ovzpatch store add kernel-6.1.1-1.x86_64.rpm kernel-devel-6.1.1-1.x86_64.rpm kernel-6.1.1-1.src.rpm --keyring RPM-GPG-KEY --namespace testing`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Packages, o.Keyring, o.Report = args, key.keyring, newUI(c)
			if err := o.Check(); err != nil {
				return err
			}
			s, err := f.open()
			if err != nil {
				return err
			}
			ref, err := adopt.Add(c.Context(), s, o)
			if err != nil {
				return err
			}
			return f.printDone(c, "added", ref.String())
		},
	}
	c.Flags().StringVar(&o.Namespace, "namespace", "", "namespace of the snapshot (default: the outermost)")
	c.Flags().StringVar(&o.Log, "log", "", "the build's log, which is kept, too")
	key.register(c)
	return c
}
