// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ovzpatch/internal/job"
	"ovzpatch/internal/preflight"
)

// This file is where a wrong command line is told, in words of ours: cobra's are for those who
// write programs with it.

func usage(err error) error { return job.BadRequest(err) }

// usagef says what is wrong with a command line, and where its help is.
func usagef(c *cobra.Command, format string, args ...any) error {
	return usage(fmt.Errorf("%s; see %s --help", fmt.Sprintf(format, args...), c.CommandPath()))
}

// near names what a wrong name may have been meant for; "" is nothing.
func near(c *cobra.Command, name, prefix string) string {
	list := c.SuggestionsFor(name)
	if len(list) == 0 {
		return ""
	}
	return " (is it " + prefix + strings.Join(list, " or "+prefix) + "?)"
}

// noSuchCommand refuses what is left where a command was to be named.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	// Of a command below, cobra does not set it.
	c.SuggestionsMinimumDistance = 2
	return usagef(c, "unknown command %q%s", args[0], near(c, args[0], ""))
}

// newHelp is help for a command, which must be one.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			about, left, err := c.Root().Find(args)
			if err != nil || len(left) > 0 {
				if about == nil {
					about = c.Root()
				}
				return noSuchCommand(about, args[len(args)-max(len(left), 1):])
			}
			return about.Help()
		},
	}
}

// wrongFlag says what is wrong with a flag that could not be read.
func wrongFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			name = "-" + short
		}
		return usagef(c, "unknown flag %s%s", name, nearFlag(c, strings.TrimLeft(name, "-")))
	case errors.As(err, &bare):
		return usagef(c, "--%s: it needs a value: %s", bare.GetFlag().Name, bare.GetFlag().Usage)
	case errors.As(err, &value):
		return usagef(c, "--%s=%s: %s", value.GetFlag().Name, value.GetValue(), wrongValue(value))
	}
	return usagef(c, "%v", err)
}

// nearFlag is near for flags.
func nearFlag(c *cobra.Command, name string) string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return nearOne(names, name, "--")
}

// nearOne is near for other names than those of commands. cobra knows how near a name is.
func nearOne(names []string, name, prefix string) string {
	c := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, n := range names {
		c.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	return near(c, name, prefix)
}

// wrongValue says what a flag's value must be.
func wrongValue(err *pflag.InvalidValueError) string {
	switch err.GetFlag().Value.Type() {
	case "int":
		if errors.Is(err, strconv.ErrRange) {
			return "the number is too large"
		}
		return "it must be a whole number"
	case "duration":
		return "it must be a time with its unit, for example 90m or 1h30m"
	case "bool":
		return "it must be true or false; the flag alone means true"
	case "stringSlice":
		return "it must be names with commas between them, without quotes"
	}
	return err.Unwrap().Error()
}

// flagsTogether is what cobra says of flags that belong together.
var flagsTogether = regexp.MustCompile(`^if any flags in the group \[(.*)\] are set they must all be set; missing \[(.*)\]$`)

// exclusive is where cobra notes of a flag the groups in which only one may be set.
const exclusive = "cobra_annotation_mutually_exclusive"

// excluded are the flags of the first group of which several are set. Cobra tells only after that what
// one of them lacks, which would be for nothing.
func excluded(c *cobra.Command) (names []string) {
	c.Flags().Visit(func(f *pflag.Flag) {
		for _, group := range f.Annotations[exclusive] {
			set := slices.DeleteFunc(strings.Fields(group), func(name string) bool { return !c.Flags().Changed(name) })
			if len(names) == 0 && len(set) > 1 {
				names = set
			}
		}
	})
	slices.Sort(names)
	return names
}

// checkFlags refuses flags that are missing, or do not go together, and empty values.
func checkFlags(c *cobra.Command) (err error) {
	flags := func(names string) []string { return strings.Fields("--" + strings.ReplaceAll(names, " ", " --")) }
	c.Flags().VisitAll(func(f *pflag.Flag) {
		switch {
		case err != nil:
		case f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !f.Changed:
			err = usagef(c, "--%s is missing: %s", f.Name, f.Usage)
		case f.Changed && isEmpty(f) && f.Annotations[mayBeEmpty] == nil:
			err = usagef(c, "--%s: its value is empty; give one, or leave the flag out", f.Name)
		case f.Name == "patch" && preflight.Endless(f.Value.String()) != nil:
			err = usagef(c, "--%s: %v", f.Name, preflight.Endless(f.Value.String()))
		case f.Changed && f.Value.Type() == "duration" && !above0(f.Value.String()):
			err = usagef(c, "--%s=%s: it must be a time above 0, for example 90m", f.Name, f.Value)
		}
	})
	if err != nil {
		return err
	}
	if names := excluded(c); names != nil {
		return usagef(c, "%s exclude each other: use one of them", strings.Join(flags(strings.Join(names, " ")), " and "))
	}
	if err = c.ValidateFlagGroups(); err == nil {
		return nil
	}
	if m := flagsTogether.FindStringSubmatch(err.Error()); m != nil {
		return usagef(c, "%s is missing: %s go together", strings.Join(flags(m[2]), ", "), strings.Join(flags(m[1]), " and "))
	}
	return usagef(c, "%v", err)
}

// mayBeEmpty marks a flag for which "" means something. Of any other it is a variable of a
// script that nobody set.
const mayBeEmpty = "ovzpatch_may_be_empty"

func allowEmpty(c *cobra.Command, flag string) {
	// The error is for a flag that is not there.
	if err := c.Flags().SetAnnotation(flag, mayBeEmpty, []string{"true"}); err != nil {
		panic(err)
	}
}

// isEmpty tells a value that names nothing.
func isEmpty(f *pflag.Flag) bool {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), "")
	}
	return f.Value.String() == ""
}

// above0 tells whether a duration lasts.
func above0(duration string) bool {
	d, err := time.ParseDuration(duration)
	return err == nil && d > 0
}

// checkArgs refuses a wrong number of arguments, and empty ones.
func checkArgs(c *cobra.Command, args []string, check cobra.PositionalArgs) error {
	err := check(c, args)
	switch {
	case err == nil:
		// The first one always names something: else the current directory would be taken.
		if len(args) > 0 && args[0] == "" {
			return usagef(c, "the first argument is empty; write: %s", c.UseLine())
		}
		return nil
	case errors.Is(err, job.ErrRequest):
		return err
	case c.HasSubCommands() && c.Use == c.Name():
		return noSuchCommand(c, args)
	}
	for n, arg := range slices.Backward(args) {
		if check(c, args[:n]) == nil {
			return usagef(c, "%q is one argument too many; write: %s", arg, c.UseLine())
		}
	}
	return usagef(c, "an argument is missing; write: %s", c.UseLine())
}

// checkReplaced refuses output files, also those of settings, that are among the files and trees which the command line names,
// or in those trees.
func checkReplaced(c *cobra.Command, args []string) error {
	inputs, outputs := slices.Clone(args), map[string][]string{}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		switch f.Name {
		case "output":
			outputs[f.Name] = values
		case "report":
			for _, v := range values {
				_, path, _ := strings.Cut(v, "=")
				outputs[f.Name] = append(outputs[f.Name], path)
			}
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

// wrapArgs makes a command line that is wrong a usage error, in every subcommand.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := checkArgs(c, args, check); err != nil {
			return err
		}
		return checkFlags(c)
	}
	for _, run := range []*func(*cobra.Command, []string) error{&c.PreRunE, &c.RunE} {
		if do := *run; do != nil {
			*run = func(c *cobra.Command, args []string) error {
				err := do(c, args)
				if exitCode(err) == job.CodeFailed && wrongInput(c, args, err) {
					return usage(err)
				}
				return err
			}
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// wrongInput tells whether a command failed for nothing else than a file that the command line names,
// as an argument or in a flag. That is usage, in every command.
func wrongInput(c *cobra.Command, args []string, err error) bool {
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
