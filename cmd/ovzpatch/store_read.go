// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/datastore"
)

func newStoreList(f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list [SNAPSHOT|GROUP]...",
		Short: "List snapshots",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := f.open()
			if err != nil {
				return err
			}
			refs, err := s.Select(args)
			if err != nil {
				return err
			}
			list, err := s.List(c.Context(), refs)
			if err != nil {
				return err
			}
			if list == nil {
				list = []datastore.Entry{}
			}
			return f.print(c, list, func(w io.Writer) error { return datastore.WriteList(w, list) })
		},
	}
}

func newStoreShow(f *storeFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show SNAPSHOT",
		Short: "Show a snapshot's manifest",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := parseRef(args[0])
			if err != nil {
				return err
			}
			s, err := f.open()
			if err != nil {
				return err
			}
			r, err := s.Look(c.Context(), ref)
			if err != nil {
				return err
			}
			defer r.Close()
			return f.print(c, r.Manifest, func(w io.Writer) error { return r.Text(w) })
		},
	}
}

func newStoreVerify(f *storeFlags) *cobra.Command {
	var noMark bool
	c := &cobra.Command{
		Use:   "verify [SNAPSHOT|GROUP]...",
		Short: "Read every byte and compare it with its digest",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := f.open()
			if err != nil {
				return err
			}
			refs, err := s.Select(args)
			if err != nil {
				return err
			}
			u := newUI(c)
			results, err := s.Verify(c.Context(), refs, !noMark, func(p datastore.Progress) {
				u.Live("verify: %s of %s", cache.Size(p.Done), cache.Size(p.Total))
			})
			u.Done()
			if err != nil {
				return err
			}
			err = f.print(c, results, func(w io.Writer) error { return datastore.WriteVerified(w, results) })
			if err == nil {
				err = datastore.Damaged(results)
			}
			return err
		},
	}
	c.Flags().BoolVar(&noMark, "no-mark", false, "only report; write nothing into the datastore")
	return c
}
