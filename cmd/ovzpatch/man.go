// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"ovzpatch/internal/atomicfile"
)

// releaseDay is the date of manual pages that are built outside git.
var releaseDay = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

// newMan writes the manual pages, for `make install` and for packagers.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into a directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			date, err := manDate(os.Getenv("SOURCE_DATE_EPOCH"), thisProgram().Time)
			if err != nil {
				return err
			}
			root := c.Root()
			root.DisableAutoGenTag = true
			return writeMan(root, args[0], date)
		},
	}
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
	return releaseDay, nil
}

// writeMan writes the page of a command, and those of what is below it.
func writeMan(c *cobra.Command, dir string, date time.Time) error {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() {
			if err := writeMan(sub, dir, date); err != nil {
				return err
			}
		}
	}
	var page bytes.Buffer
	header := doc.GenManHeader{Section: "1", Source: "ovzpatch " + release, Manual: "ovzpatch", Date: &date}
	if err := doc.GenMan(c, &header, &page); err != nil {
		return fmt.Errorf("write manual page of %s: %w", c.CommandPath(), err)
	}
	const also = ".SH SEE ALSO\n"
	text, sections := page.String(), helpText("manual.roff") // what all commands have in common
	if strings.Contains(text, also) {
		text = strings.Replace(text, also, sections+also, 1)
	} else {
		text += sections
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
	return atomicfile.WriteBytes(filepath.Join(dir, name), []byte(text))
}
