// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/preflight"
	"ovzpatch/internal/report"
	"ovzpatch/internal/settings"
)

// settingsFile is the file with a user's settings; "" where there is no place for one.
func settingsFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "ovzpatch", "ovzpatch.toml")
}

// applySettings sets a command's flags to their settings. What is on the command line stays.
func applySettings(c *cobra.Command, list []settings.Setting) error {
	for _, s := range list {
		f := c.Flags().Lookup(s.Name)
		if f == nil || f.Changed {
			continue
		}
		if err := checkSetting(s); err != nil {
			return err
		}
		for _, value := range s.Values {
			if err := f.Value.Set(value); err != nil {
				return usage(fmt.Errorf("--%s=%s, from %s: %w", s.Name, value, s.Where(), err))
			}
		}
	}
	return nil
}

// warnOfStrangers tells of variables that are misspelt, most likely.
func warnOfStrangers(c *cobra.Command) {
	var names []string
	for _, name := range settings.Names {
		names = append(names, settings.Variable(name))
	}
	for _, name := range settings.Strangers(os.Environ()) {
		newUI(c).Say("no setting is called $%s%s; ovzpatch config show has them all", name, cmdline.Near(names, name, "$"))
	}
}

// checkSetting refuses what the flag itself would refuse, and says where the value comes from.
func checkSetting(s settings.Setting) error {
	var (
		a     = &app{}
		build buildFlags
		test  testFlags
		c     = &cobra.Command{Use: "ovzpatch"}
	)
	if len(s.Values) == 0 {
		return nil
	}
	c.Flags().String("cache-dir", "", "")
	c.Flags().StringSlice("report", nil, "")
	a.progress.register(c)
	build.register(c)
	test.register(c)
	set := func() error {
		for _, value := range s.Values {
			if err := c.ParseFlags([]string{"--" + s.Name + "=" + value}); err != nil {
				if wrong := new(pflag.InvalidValueError); errors.As(err, &wrong) {
					return fmt.Errorf("--%s=%s: %s", s.Name, value, cmdline.WrongValue(wrong))
				}
				return err
			}
		}
		if err := cmdline.CheckFlags(c); err != nil {
			return err
		}
		switch s.Name {
		case "log-format":
			return a.progress.check()
		case "report":
			if _, err := report.ParseFiles(s.Values); err != nil {
				return fmt.Errorf("--report: %w", err)
			}
			return nil
		case "cache-dir":
			dir := s.Values[len(s.Values)-1]
			st, err := os.Stat(dir)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it is made
			}
			if err == nil && !st.IsDir() {
				err = fmt.Errorf("%s: it is not a directory", dir)
			}
			if err != nil {
				return fmt.Errorf("--%s: %w", s.Name, err)
			}
			return nil
		case "keyring":
			return preflight.File(s.Name, s.Values[len(s.Values)-1])
		case "boot-timeout", "container":
			return test.check(a, nil, false)
		}
		return build.check(a, nil)
	}
	if err := set(); err != nil {
		return usage(fmt.Errorf("from %s: %w", s.Where(), err))
	}
	return nil
}

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
