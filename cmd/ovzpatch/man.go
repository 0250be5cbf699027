// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/version"
)

// newMan writes the manual pages, for `make install` and for packagers.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into a directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			date, err := manDate(os.Getenv("SOURCE_DATE_EPOCH"), version.This().Time)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return writeMan(c.Root(), args[0], date)
		},
	}
}

// writeMan writes the pages of all commands.
func writeMan(root *cobra.Command, dir string, date time.Time) error {
	return cmdline.WriteManual(root, dir, helpText("manual.roff"),
		doc.GenManHeader{Section: "1", Source: "ovzpatch " + version.Release, Manual: "ovzpatch", Date: &date})
}

// manDate is the date of the pages, the same on every machine: the one that is asked for, that of
// the commit, or that of the release.
func manDate(epoch, commit string) (time.Time, error) {
	if epoch != "" {
		n, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil || n < 0 {
			return time.Time{}, usage(fmt.Errorf("SOURCE_DATE_EPOCH=%s: it must be a number of seconds, as 1700000000", epoch))
		}
		return time.Unix(n, 0).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339, commit); err == nil {
		return t.UTC(), nil
	}
	return version.Day, nil
}
