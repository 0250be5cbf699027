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

// manSections stand in every manual page: what all commands have in common.
const manSections = `.SH EXIT STATUS
.TP
0
Done and, where it was asked, as expected.
.TP
1
A tool, the build or the guest's machinery failed.
.TP
2
Usage, such as a named file that is not there.
.TP
3
The patch does not fit or is misplaced.
.TP
4
The kernel was tried and did not behave as expected.
.TP
5
The kernel was tried and the verdict is inconclusive.
.PP
The exit status of \fBovzpatch exec\fP, and of \fBovzpatch shell\fP with a script, is that of the command in the guest.
.SH ENVIRONMENT
.TP
OVZPATCH_STORE
The datastore of \fBovzpatch store\fP, where \fB--store\fP is not given.
.TP
XDG_CACHE_HOME
The cache is in ovzpatch below it; see \fB--cache-dir\fP.
.TP
XDG_RUNTIME_DIR
Where locks of a user who is not root are.
.TP
PATH, TMPDIR, TERM, NO_COLOR
Where programs are looked for, where temporary files go, and what a terminal shows: whether progress is drawn over, and colours.
.TP
OVZPATCH_JOBS and others
The value of a flag, here \fB--jobs\fP, for all calls; see \fBovzpatch\-config\fP(1).
.TP
GITHUB_ACTIONS, GITLAB_CI
Where one is true, results are written as that system shows them.
.TP
SOURCE_DATE_EPOCH
The date of these pages, when they are made.
.SH FILES
.TP
~/.cache/ovzpatch
Expensive results, by content: up to 20 GiB and 30 days; see \fBovzpatch\-cache\fP(1).
.TP
~/.config/ovzpatch/ovzpatch.toml
Settings for all calls.
.TP
/run/ovzpatch
Locks of datastores.
.TP
PREFIX/lib/ovzpatch/guest
The programs that guests are made of.
.TP
/usr/src/linux\-source\-*.tar.*
What \fBovzpatch run\fP takes without a source.
`

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
	text := page.String()
	if strings.Contains(text, also) {
		text = strings.Replace(text, also, manSections+also, 1)
	} else {
		text += manSections
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
	return atomicfile.WriteBytes(filepath.Join(dir, name), []byte(text))
}
