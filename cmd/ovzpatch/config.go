// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovzpatch/internal/settings"
	"ovzpatch/internal/terminal"
)

// settingsFile is the file with a user's settings; "" where there is no place for one.
func settingsFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "ovzpatch", "ovzpatch.toml")
}

// readSettings collects what the environment and the file set.
var readSettings = settings.Read

// applySettings gives a command's flags the values that are set for them. What stands on the command
// line stays.
func applySettings(c *cobra.Command, list []settings.Setting) error {
	for _, s := range list {
		f := c.Flags().Lookup(s.Name)
		if f == nil || f.Changed {
			continue
		}
		for _, value := range s.Values {
			if err := f.Value.Set(value); err != nil {
				return usage(fmt.Errorf("--%s=%s, from %s: %w", s.Name, value, s.From, err))
			}
		}
	}
	return nil
}

func newConfig() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Settings for all calls, from the environment and a file",
		Long: `Some flags can be set once for all calls: in the environment, as OVZPATCH_JOBS for --jobs, or in the
file ovzpatch/ovzpatch.toml below $XDG_CONFIG_HOME (~/.config), as jobs = 4. The command line wins over
the environment, and that over the file.`,
		Args: noSuchCommand,
	}
	c.AddCommand(newConfigShow())
	return c
}

func newConfigShow() *cobra.Command {
	var out jsonFlag
	c := &cobra.Command{
		Use:   "show",
		Short: "Show each setting, and where its value comes from",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := readSettings(os.Getenv, settingsFile())
			if err != nil {
				return err
			}
			all := []settings.Setting{}
			for _, name := range settings.Names {
				s := settings.Setting{Name: name, Values: []string{}, From: settings.BuiltIn}
				if i := slices.IndexFunc(list, func(s settings.Setting) bool { return s.Name == name }); i >= 0 {
					s = list[i]
				} else if f := findFlag(c.Root(), name); f != nil && f.DefValue != "" && f.DefValue != "[]" {
					s.Values = []string{f.DefValue}
				}
				all = append(all, s)
			}
			return out.print(c, all, func(w io.Writer) error {
				t := terminal.NewTable(w)
				t.Row("SETTING", "VALUE", "FROM")
				for _, s := range all {
					t.Row(s.Name, strings.Join(s.Values, ","), s.From)
				}
				return t.Flush()
			})
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
