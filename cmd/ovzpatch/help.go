// SPDX-License-Identifier: Apache-2.0

package main

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/source"
)

// helpFiles are what the commands' help says before the flags: store-add.txt is that of `ovzpatch
// store add`. What stands in braces is filled in.
//
//go:embed help
var helpFiles embed.FS

// helpText returns a help text by the name of its file, "" where there is none.
func helpText(name string) string {
	text, err := fs.ReadFile(helpFiles, "help/"+name)
	if err != nil {
		return ""
	}
	return string(text)
}

// helpWords are what help texts may have in braces.
var helpWords = sync.OnceValue(func() *strings.Replacer {
	return strings.NewReplacer(
		"{exit codes}\n", helpText("exit-codes.txt"),
		"{debian source}", source.Debian,
		"{cache days}", fmt.Sprint(cache.Standard.Days()),
		"{cache size}", cache.Size(cache.Standard.Size),
	)
})

// helpFile is the name of a command's help text.
func helpFile(c *cobra.Command) string {
	_, below, found := strings.Cut(c.CommandPath(), " ")
	if !found {
		below = c.Name()
	}
	return strings.ReplaceAll(below, " ", "-") + ".txt"
}

// explain takes over the help text of a command, and those of all below it.
func explain(c *cobra.Command) {
	if text := helpText(helpFile(c)); text != "" {
		long, examples, _ := strings.Cut(helpWords().Replace(text), "\nExamples:\n")
		c.Long, c.Example = strings.TrimSpace(long), strings.TrimRight(examples, "\n")
	}
	for _, sub := range c.Commands() {
		explain(sub)
	}
}
