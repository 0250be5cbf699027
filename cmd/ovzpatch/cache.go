// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/scratch"
)

func newCache(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "Show what is in the cache, and remove it",
	}
	c.AddCommand(newCacheList(a), newCacheSize(a), newCachePrune(a))
	return c
}

func newCacheList(a *app) *cobra.Command {
	var out jsonFlag
	c := &cobra.Command{
		Use:   "list",
		Short: "List what is in the cache, the last used first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := cache.Cache{Dir: a.cacheDir}.Entries(c.Context())
			return showRest(c, out, list, err, cache.WriteEntries)
		},
	}
	out.register(c, "write the list as JSON")
	return c
}

// showRest shows what could be read, and ends with what could not.
func showRest[T any](c *cobra.Command, out jsonFlag, list []T, err error, text func(io.Writer, []T) error) error {
	if list == nil {
		return err
	}
	return errors.Join(err, show(c, out, list, nil, text))
}

func newCacheSize(a *app) *cobra.Command {
	var out jsonFlag
	c := &cobra.Command{
		Use:   "size",
		Short: "Show how much of each kind is on the disk",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			kinds, err := cache.Cache{Dir: a.cacheDir}.Kinds(c.Context())
			return showRest(c, out, kinds, err, cache.WriteKinds)
		},
	}
	out.register(c, "write it as JSON")
	return c
}

func newCachePrune(a *app) *cobra.Command {
	var (
		age, size string
		out       jsonFlag
	)
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove what is old, and what is too much",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			limits, err := cache.ParseLimits(age, size)
			if err != nil {
				return usage(err)
			}
			p, failed := cache.Cache{Dir: a.cacheDir}.Prune(c.Context(), limits)
			if failed != nil && p.Left == 0 && len(p.Removed) == 0 {
				return failed
			}
			swept := scratch.Sweep("") + scratch.Sweep(a.cacheDir)
			return errors.Join(failed, out.print(c, p, func(w io.Writer) error {
				if swept > 0 {
					newUI(c).Say("temporary directories of processes that were killed: %d removed", swept)
				}
				return p.Text(w)
			}))
		},
	}
	c.Flags().StringVar(&age, "age", fmt.Sprintf("%dd", cache.Standard.Days()), "remove what nobody has used for this long: days as 30d, or a time as 12h")
	c.Flags().StringVar(&size, "size", fmt.Sprintf("%dG", cache.Standard.Size>>30), "keep no more than this: a number with K, M or G; 0 keeps only what is in use")
	out.register(c, "write what was removed as JSON")
	return c
}
