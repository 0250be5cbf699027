// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A help text belongs to a command, has nothing left in braces, and calls what there is.
func TestHelpTexts(t *testing.T) {
	list, err := fs.ReadDir(helpFiles, "help")
	if err != nil {
		t.Fatal(err)
	}
	lost := map[string]bool{}
	for _, file := range list {
		lost[file.Name()] = true
	}
	delete(lost, "exit-codes.txt")
	delete(lost, "manual.roff")
	root := newRoot()
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		name := helpFile(c)
		if lost[name] {
			delete(lost, name)
			if c.Long == "" || strings.ContainsAny(c.Long+c.Example, "{}") || strings.Contains(c.Long, "Examples") {
				t.Errorf("help/%s: something is left in it:\n%s\n%s", name, c.Long, c.Example)
			}
		}
		for call := range strings.Lines(c.Example) {
			words := strings.TrimSpace(call)
			if !strings.HasPrefix(words, c.CommandPath()+" ") && words != c.CommandPath() {
				t.Errorf("help/%s: %q is no call of %s", name, words, c.CommandPath())
			} else if problem := check(root, words); problem != "" {
				t.Errorf("help/%s: %s: %s", name, words, problem)
			}
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(root)
	for name := range lost {
		t.Errorf("help/%s is of no command", name)
	}
}
