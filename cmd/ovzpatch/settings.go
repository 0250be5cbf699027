// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovzpatch/internal/terminal"
)

// settable are the flags that a pipeline or a user sets once, for all calls.
var settable = []string{
	"boot-timeout", "build-timeout", "cache-dir", "container", "jobs", "keyring", "launcher", "log-format", "nice", "report", "root",
}

// builtIn is where a value comes from that nobody set.
const builtIn = "built in"

// setting is a value for a flag, and where it comes from.
type setting struct {
	Name   string   `json:"name"`
	Values []string `json:"value"` // several for a flag that takes a list
	From   string   `json:"from"`
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "OVZPATCH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// settingsFile is the file with a user's settings; "" where there is no place for one.
func settingsFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "ovzpatch", "ovzpatch.toml")
}

// readSettings collects what the environment and the file set. The environment wins.
func readSettings(getenv func(string) string, file string) ([]setting, error) {
	var list []setting
	for _, name := range settable {
		if value := getenv(variable(name)); value != "" {
			list = append(list, setting{name, []string{value}, "$" + variable(name)})
		}
	}
	if file == "" {
		return list, nil
	}
	if st, err := os.Stat(file); err == nil && st.Mode()&fs.ModeNamedPipe != 0 {
		return nil, usage(fmt.Errorf("read settings %s: it is a pipe, and reading it might never end; put a plain file there", file))
	}
	var values map[string]any
	_, err := toml.DecodeFile(file, &values)
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err != nil {
		return nil, usage(fmt.Errorf("read settings %s: %w", file, err))
	}
	for name, value := range values {
		if !slices.Contains(settable, name) {
			return nil, usage(fmt.Errorf("read settings %s: there is no setting %q; there are %s", file, name, strings.Join(settable, ", ")))
		}
		texts, err := settingValues(value)
		if err != nil {
			return nil, usage(fmt.Errorf("read settings %s: %s: %w", file, name, err))
		}
		if !slices.ContainsFunc(list, func(s setting) bool { return s.Name == name }) {
			list = append(list, setting{name, texts, file})
		}
	}
	slices.SortFunc(list, func(a, b setting) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// settingValues are the texts of a value in a settings file.
func settingValues(value any) ([]string, error) {
	switch v := value.(type) {
	case string:
		return []string{v}, nil
	case int64:
		return []string{fmt.Sprint(v)}, nil
	case []any:
		var texts []string
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("%v is no text", one)
			}
			texts = append(texts, text)
		}
		return texts, nil
	}
	return nil, fmt.Errorf("%v is neither a text, nor a number, nor a list of texts", value)
}

// applySettings gives a command's flags the values that are set for them. What stands on the command
// line stays.
func applySettings(c *cobra.Command, list []setting) error {
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
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show each setting, and where its value comes from",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := readSettings(os.Getenv, settingsFile())
			if err != nil {
				return err
			}
			all := []setting{}
			for _, name := range settable {
				s := setting{name, []string{}, builtIn}
				if i := slices.IndexFunc(list, func(s setting) bool { return s.Name == name }); i >= 0 {
					s = list[i]
				} else if f := findFlag(c.Root(), name); f != nil && f.DefValue != "" && f.DefValue != "[]" {
					s.Values = []string{f.DefValue}
				}
				all = append(all, s)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), all)
			}
			t := terminal.NewTable(c.OutOrStdout())
			t.Row("SETTING", "VALUE", "FROM")
			for _, s := range all {
				t.Row(s.Name, strings.Join(s.Values, ","), s.From)
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write the settings as JSON")
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
