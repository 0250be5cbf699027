// SPDX-License-Identifier: Apache-2.0

package cmdline

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovzpatch/internal/job"
	"ovzpatch/internal/preflight"
)

// checkArgs refuses a wrong number of arguments, and empty ones.
func checkArgs(c *cobra.Command, args []string, check cobra.PositionalArgs) error {
	err := check(c, args)
	switch {
	case err == nil:
		// The first one always names something: else the current directory would be taken.
		if len(args) > 0 && args[0] == "" {
			return Errorf(c, "the first argument is empty; write: %s", c.UseLine())
		}
		return nil
	case errors.Is(err, job.ErrRequest):
		return err
	}
	for n, arg := range slices.Backward(args) {
		if check(c, args[:n]) == nil {
			return Errorf(c, "%q is one argument too many; write: %s", arg, c.UseLine())
		}
	}
	return Errorf(c, "an argument is missing; write: %s", c.UseLine())
}

// CheckReplaced refuses output files, also those of settings, that are among the files and trees which the command line names,
// or in those trees.
func CheckReplaced(c *cobra.Command, args []string) error {
	inputs, outputs := slices.Clone(args), map[string][]string{}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		switch f.Name {
		case "output", "report":
			outputs[f.Name] = written(f.Name, values)
		case "store", "cache-dir", "to":
		default:
			if f.Changed {
				inputs = append(inputs, values...)
			}
		}
	})
	for flag, paths := range outputs {
		for _, path := range paths {
			if err := preflight.Replaced(flag, path, inputs); err != nil {
				return err
			}
		}
	}
	return nil
}

// written are the paths in the values of a flag that names what is written.
func written(flag string, values []string) []string {
	if flag != "report" {
		return values
	}
	var paths []string
	for _, v := range values {
		_, path, _ := strings.Cut(v, "=")
		paths = append(paths, path)
	}
	return paths
}

// Outputs are the files and directories that a command may write, as its flags say.
func Outputs(c *cobra.Command) []string {
	var all []string
	for _, name := range []string{"output", "report", "store"} {
		f := c.Flags().Lookup(name)
		if f == nil {
			continue
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		all = append(all, written(name, values)...)
	}
	return slices.DeleteFunc(all, func(path string) bool { return path == "" })
}

// WrongInput tells whether a command failed for nothing else than a file that the command line names,
// as an argument or in a flag. That is usage, in every command.
func WrongInput(c *cobra.Command, args []string, err error) bool {
	named := slices.Clone(args)
	c.Flags().Visit(func(f *pflag.Flag) {
		if list, ok := f.Value.(pflag.SliceValue); ok {
			named = append(named, list.GetSlice()...)
		} else {
			named = append(named, f.Value.String())
		}
	})
	return preflight.OnlyWrong(err, named)
}
