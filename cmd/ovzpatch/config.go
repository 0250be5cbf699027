// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovzpatch/internal/settings"
)

func newConfig(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Show the settings for all calls, from the environment and a file",
	}
	c.AddCommand(newConfigShow(a))
	return c
}

func newConfigShow(a *app) *cobra.Command {
	var out jsonFlag
	c := &cobra.Command{
		Use:   "show",
		Short: "Show each setting, and where its value comes from",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, s := range a.settings {
				if err := checkSetting(s); err != nil {
					return err
				}
			}
			all := settings.Complete(a.settings, func(name string) string {
				if f := findFlag(c.Root(), name); f != nil {
					return f.DefValue
				}
				return ""
			})
			return show(c, out, all, nil, settings.Write)
		},
	}
	out.register(c, "write the settings as JSON")
	return c
}

// findFlag finds a flag of any command.
func findFlag(c *cobra.Command, name string) *pflag.Flag {
	if f := c.Flags().Lookup(name); f != nil {
		return f
	}
	if f := c.PersistentFlags().Lookup(name); f != nil {
		return f
	}
	for _, sub := range c.Commands() {
		if f := findFlag(sub, name); f != nil {
			return f
		}
	}
	return nil
}
