// SPDX-License-Identifier: Apache-2.0

package cmdline

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

// WrongFlag says what is wrong with a flag that could not be read.
func WrongFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			name = "-" + short
		}
		return Errorf(c, "unknown flag %s%s", name, nearFlag(c, strings.TrimLeft(name, "-")))
	case errors.As(err, &bare):
		return Errorf(c, "--%s: it needs a value: %s", bare.GetFlag().Name, bare.GetFlag().Usage)
	case errors.As(err, &value):
		return Errorf(c, "--%s=%s: %s", value.GetFlag().Name, value.GetValue(), WrongValue(value))
	}
	return Errorf(c, "%v", err)
}

// nearFlag is nearCommand for flags.
func nearFlag(c *cobra.Command, name string) string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return Near(names, name, "--")
}

// WrongValue says what a flag's value must be.
func WrongValue(err *pflag.InvalidValueError) string {
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

// CheckFlags refuses flags that are missing, or do not go together, and empty values.
func CheckFlags(c *cobra.Command) (err error) {
	flags := func(names string) []string { return strings.Fields("--" + strings.ReplaceAll(names, " ", " --")) }
	c.Flags().VisitAll(func(f *pflag.Flag) {
		switch {
		case err != nil:
		case f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !f.Changed:
			err = Errorf(c, "--%s is missing: %s", f.Name, f.Usage)
		case f.Changed && isEmpty(f) && f.Annotations[mayBeEmpty] == nil:
			err = Errorf(c, "--%s: its value is empty; give one, or leave the flag out", f.Name)
		case slices.Contains(readWhole, f.Name) && preflight.Endless(f.Value.String()) != nil:
			err = Errorf(c, "--%s: %v", f.Name, preflight.Endless(f.Value.String()))
		case f.Changed && f.Value.Type() == "duration" && !above0(f.Value.String()):
			err = Errorf(c, "--%s=%s: it must be a time above 0, for example 90m", f.Name, f.Value)
		}
	})
	if err != nil {
		return err
	}
	if names := excluded(c); names != nil {
		return Errorf(c, "%s exclude each other: use one of them", strings.Join(flags(strings.Join(names, " ")), " and "))
	}
	if err = c.ValidateFlagGroups(); err == nil {
		return nil
	}
	if m := flagsTogether.FindStringSubmatch(err.Error()); m != nil {
		return Errorf(c, "%s is missing: %s go together", strings.Join(flags(m[2]), ", "), strings.Join(flags(m[1]), " and "))
	}
	return Errorf(c, "%v", err)
}

// readWhole are the flags of all commands that name a file which is read to its end.
var readWhole = []string{"patch", "keyring"}

// mayBeEmpty marks a flag for which "" means something. Of any other it is a variable of a
// script that nobody set.
const mayBeEmpty = "ovzpatch_may_be_empty"

func AllowEmpty(c *cobra.Command, flag string) {
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

// Complete lets shells complete a flag's value from a list.
func Complete(c *cobra.Command, flag string, values ...string) {
	c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// OneOf refuses a flag's value that is neither of two.
func OneOf(flag, value, one, other string) error {
	if value == one || value == other {
		return nil
	}
	return job.BadRequest(fmt.Errorf("--%s=%s: it must be %s or %s", flag, value, one, other))
}
