// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/terminal"
)

func newCache(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "What is kept by content, how much it is, and removing it",
		Long: fmt.Sprintf(`cache looks after the directory with expensive results (--cache-dir): packages, compiled
objects, guests' roots, probes, consoles. Each build keeps it to its limits by itself: what nobody
asked for in %d days goes, and beyond %s what was used longest ago. What any process uses stays.`,
			int(cache.Standard.Age/day), cache.Size(cache.Standard.Size)),
		Args: noSuchCommand,
	}
	c.AddCommand(newCacheList(a), newCacheSize(a), newCachePrune(a))
	return c
}

const day = 24 * time.Hour

func newCacheList(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List what is in the cache, what was used last first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := cache.Cache{Dir: a.cacheDir}.Entries(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), list)
			}
			t := terminal.NewTable(c.OutOrStdout())
			t.Row("KIND", "SIZE", "USED", "NAME")
			for _, e := range list {
				t.Row(e.Kind, cache.Size(e.Size), e.Used.UTC().Format(time.RFC3339), e.Name)
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write the list as JSON")
	return c
}

// cacheKind is what a cache has of one kind.
type cacheKind struct {
	Kind    string `json:"kind"`
	Entries int    `json:"entries"`
	Size    int64  `json:"bytes"`
}

// cacheSizes sums a cache up by kind, with the sum as the last.
func cacheSizes(ctx context.Context, dir string) ([]cacheKind, error) {
	list, err := cache.Cache{Dir: dir}.Entries(ctx)
	if err != nil {
		return nil, err
	}
	place, kinds, sum := map[string]int{}, []cacheKind{}, cacheKind{Kind: "all"}
	for _, e := range list {
		i, ok := place[e.Kind]
		if !ok {
			i = len(kinds)
			place[e.Kind], kinds = i, append(kinds, cacheKind{Kind: e.Kind})
		}
		for _, k := range []*cacheKind{&kinds[i], &sum} {
			k.Entries++
			k.Size += e.Size
		}
	}
	return append(kinds, sum), nil
}

func newCacheSize(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "size",
		Short: "How much there is of each kind, on the disk",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			kinds, err := cacheSizes(c.Context(), a.cacheDir)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), kinds)
			}
			t := terminal.NewTable(c.OutOrStdout())
			t.Row("KIND", "ENTRIES", "SIZE")
			for _, k := range kinds {
				t.Row(k.Kind, k.Entries, cache.Size(k.Size))
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write it as JSON")
	return c
}

func newCachePrune(a *app) *cobra.Command {
	var (
		age, size string
		asJSON    bool
	)
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove what is old, and what is too much",
		Long: `prune removes what nobody asked for in --age, and then what was used longest ago until there
is no more than --size. What any process uses stays, so it may run beside other jobs.`,
		Example: `  ovzpatch cache prune
  ovzpatch cache prune --age=7d --size=5G
  ovzpatch cache prune --size=0`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			limits, err := parseLimits(age, size)
			if err != nil {
				return usage(err)
			}
			p, err := cache.Cache{Dir: a.cacheDir}.Prune(c.Context(), limits)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), p)
			}
			var freed int64
			for _, e := range p.Removed {
				freed += e.Size
			}
			fmt.Fprintf(c.OutOrStdout(), "removed %d results, %s; left are %s\n", len(p.Removed), cache.Size(freed), cache.Size(p.Left))
			if len(p.Kept) > 0 {
				fmt.Fprintf(c.OutOrStdout(), "%d more are in use and stay\n", len(p.Kept))
			}
			return nil
		},
	}
	c.Flags().StringVar(&age, "age", fmt.Sprintf("%dd", int(cache.Standard.Age/day)), "remove what was not used for longer: days as 30d, or a time as 12h")
	c.Flags().StringVar(&size, "size", fmt.Sprintf("%dG", cache.Standard.Size>>30), "keep no more than this: a number with K, M or G; 0 keeps only what is in use")
	c.Flags().BoolVar(&asJSON, "json", false, "write what was removed as JSON")
	return c
}

// parseLimits reads --age and --size.
func parseLimits(age, size string) (cache.Limits, error) {
	var l cache.Limits
	var err error
	if days, ok := strings.CutSuffix(age, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		l.Age = time.Duration(n) * day
	} else {
		l.Age, err = time.ParseDuration(age)
	}
	if err != nil || l.Age < 0 {
		return l, fmt.Errorf("--age=%s: it must be a number of days or a time, as 30d or 12h", age)
	}
	number, shift := size, 0
	for unit, bits := range map[string]int{"K": 10, "M": 20, "G": 30} {
		if n, ok := strings.CutSuffix(size, unit); ok {
			number, shift = n, bits
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || shift == 0 && n != 0 {
		return l, fmt.Errorf("--size=%s: it must be a number with K, M or G, as 20G, or 0", size)
	}
	l.Size = int64(n) << shift
	return l, nil
}

// cacheLine is what doctor says of the cache.
func cacheLine(ctx context.Context, dir string) (string, error) {
	kinds, err := cacheSizes(ctx, dir)
	if err != nil {
		return "", err
	}
	all := kinds[len(kinds)-1]
	return fmt.Sprintf("%s in %d results; builds keep it to %s and %d days", cache.Size(all.Size), all.Entries, cache.Size(cache.Standard.Size), int(cache.Standard.Age/day)), nil
}
