// SPDX-License-Identifier: Apache-2.0

// Package cmdline says what is wrong with a command line in words of ours: cobra's are for those
// who write programs with it.
package cmdline

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/job"
)

// Errorf says what is wrong with a command line, and where its help is.
func Errorf(c *cobra.Command, format string, args ...any) error {
	return job.BadRequest(fmt.Errorf("%s; see %s --help", fmt.Sprintf(format, args...), c.CommandPath()))
}

// Strict makes every command of a program refuse a wrong command line in our words, as a
// job.ErrRequest. judge returns what a command's error is, in the light of its command line.
func Strict(root *cobra.Command, judge func(c *cobra.Command, args []string, err error) error) {
	group(root)
	root.SetFlagErrorFunc(WrongFlag)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if !c.Runnable() {
			group(c)
		}
		wrap(c, judge)
	}
}

// group is for a command that does nothing itself: it shows its help.
func group(c *cobra.Command) {
	c.Args = unknown
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
}

// wrap is Strict for a command and those below it.
func wrap(c *cobra.Command, judge func(*cobra.Command, []string, error) error) {
	check := c.Args
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := checkArgs(c, args, check); err != nil {
			return err
		}
		return CheckFlags(c)
	}
	for _, run := range []*func(*cobra.Command, []string) error{&c.PreRunE, &c.RunE} {
		if do := *run; do != nil {
			*run = func(c *cobra.Command, args []string) error { return judge(c, args, do(c, args)) }
		}
	}
	for _, sub := range c.Commands() {
		wrap(sub, judge)
	}
}

// unknown refuses what is left where a command was to be named.
func unknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	// Of a command below, cobra does not set it.
	c.SuggestionsMinimumDistance = 2
	return Errorf(c, "unknown command %q%s", args[0], nearCommand(c, args[0], ""))
}

// helpCommand is help for a command, which must be one.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			about, left, err := c.Root().Find(args)
			if err != nil || len(left) > 0 {
				if about == nil {
					about = c.Root()
				}
				return unknown(about, args[len(args)-max(len(left), 1):])
			}
			return about.Help()
		},
	}
}

// nearCommand names what a wrong name may have been meant for; "" is nothing.
func nearCommand(c *cobra.Command, name, prefix string) string {
	list := c.SuggestionsFor(name)
	if len(list) == 0 {
		return ""
	}
	return " (is it " + prefix + strings.Join(list, " or "+prefix) + "?)"
}

// Near is nearCommand for other names than those of commands.
func Near(names []string, name, prefix string) string {
	c := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, n := range names {
		c.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	return nearCommand(c, name, prefix)
}
