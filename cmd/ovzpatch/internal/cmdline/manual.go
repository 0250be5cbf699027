// SPDX-License-Identifier: Apache-2.0

package cmdline

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"ovzpatch/internal/atomicfile"
)

// WriteManual writes the page of a command into a directory, and those of all below it. sections
// stand in every page.
func WriteManual(c *cobra.Command, dir, sections string, header doc.GenManHeader) error {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() {
			if err := WriteManual(sub, dir, sections, header); err != nil {
				return err
			}
		}
	}
	var page bytes.Buffer
	c.DisableAutoGenTag = true
	own := header // GenMan fills it in
	if err := doc.GenMan(c, &own, &page); err != nil {
		return fmt.Errorf("write manual page of %s: %w", c.CommandPath(), err)
	}
	const also = ".SH SEE ALSO\n"
	text, rest, found := strings.Cut(page.String(), also)
	text += sections
	if found {
		text += also + rest
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
	return atomicfile.WriteBytes(filepath.Join(dir, name), []byte(text))
}
