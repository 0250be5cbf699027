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
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Packages, o.Keyring, o.Report = args, key.keyring, newUI(c)
			if err := o.Check(); err != nil {
				return err
			}
			s, err := openStore(o.Report, f.dir)
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
	c.Flags().StringVar(&o.Log, "log", "", "the build's log, to keep it, too")
	key.register(c)
	return c
}
