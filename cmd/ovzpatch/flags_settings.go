// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/job"
	"ovzpatch/internal/preflight"
	"ovzpatch/internal/settings"
)

// settingsFile is the file with a user's settings; "" where there is no place for one.
func settingsFile() string {
	dir, err := userDir("XDG_CONFIG_HOME", ".config")
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
	if len(s.Values) == 0 {
		return nil
	}
	if err := tryFlag(s.Name, s.Values); err != nil {
		return usage(fmt.Errorf("from %s: %w", s.Where(), err))
	}
	return nil
}

// tryFlag sets one of the flags that can be settings, and checks it as a command with that flag would.
func tryFlag(name string, values []string) error {
	var (
		a     = &app{}
		build buildFlags
		test  testFlags
		c     = &cobra.Command{Use: "ovzpatch"}
	)
	c.Flags().String("cache-dir", "", "")
	c.Flags().StringSlice("report", nil, "")
	a.progress.register(c)
	build.register(c)
	test.register(c)
	for _, value := range values {
		err := c.ParseFlags([]string{"--" + name + "=" + value})
		if wrong := new(pflag.InvalidValueError); errors.As(err, &wrong) {
			return fmt.Errorf("--%s=%s: %s", name, value, cmdline.WrongValue(wrong))
		}
		if err != nil {
			return err
		}
	}
	if err := cmdline.CheckFlags(c); err != nil {
		return err
	}
	switch last := values[len(values)-1]; name {
	case "log-format":
		return a.progress.check()
	case "report":
		return (&reportFlags{values: values}).parse()
	case "cache-dir":
		return preflight.NewDir(name, last)
	case "keyring":
		return preflight.File(name, last)
	case "boot-timeout", "container":
		return test.check(a, job.Quiet{}, false)
	}
	return build.check(a, job.Quiet{})
}
