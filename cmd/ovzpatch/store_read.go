// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/datastore"
)

func newStoreList(f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list [SNAPSHOT|GROUP]...",
		Short: "List snapshots",
		RunE: f.with(func(c *cobra.Command, s *datastore.Store, args []string) error {
			refs, err := s.Select(args)
			if err != nil {
				return err
			}
			list, err := s.List(c.Context(), refs)
			return show(c, f.jsonFlag, list, err, datastore.WriteList)
		}),
	}
}

func newStoreShow(f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show SNAPSHOT",
		Short: "Show a snapshot's manifest",
		Args:  cobra.ExactArgs(1),
		RunE: f.withRef(func(c *cobra.Command, s *datastore.Store, ref datastore.Ref, _ []string) error {
			r, err := s.Look(c.Context(), ref)
			if err != nil {
				return err
			}
			defer r.Close()
			return f.print(c, r.Manifest, r.Text)
		}),
	}
}

func newStoreVerify(f *storeFlags) *cobra.Command {
	var noMark bool
	c := &cobra.Command{
		Use:   "verify [SNAPSHOT|GROUP]...",
		Short: "Read every byte and compare it with its digest",
		RunE: f.with(func(c *cobra.Command, s *datastore.Store, args []string) error {
			refs, err := s.Select(args)
			if err != nil {
				return err
			}
			u := newUI(c)
			results, err := s.Verify(c.Context(), refs, !noMark, func(p datastore.Progress) {
				u.Live("verify: %s of %s", cache.Size(p.Done), cache.Size(p.Total))
			})
			u.Done()
			if err := show(c, f.jsonFlag, results, err, datastore.WriteVerified); err != nil {
				return err
			}
			return datastore.Damaged(results)
		}),
	}
	c.Flags().BoolVar(&noMark, "no-mark", false, "only report; write nothing into the datastore")
	return c
}
