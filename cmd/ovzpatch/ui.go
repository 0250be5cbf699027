// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/spf13/cobra"

	"ovzpatch/cmd/ovzpatch/internal/cmdline"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/terminal"
)

// progressFlags say how much goes to standard error, and in which form.
type progressFlags struct {
	quiet, verbose bool
	format         string
}

// What --log-format takes.
const (
	logText = "text"
	logJSON = "json"
)

func (f *progressFlags) register(c *cobra.Command) {
	c.PersistentFlags().BoolVarP(&f.quiet, "quiet", "q", false, "write no progress to standard error, only an error")
	c.PersistentFlags().BoolVarP(&f.verbose, "verbose", "v", false, "write each step of the progress as a line of its own that stays")
	c.PersistentFlags().StringVar(&f.format, "log-format", logText, "the format of the progress: text, or json with one object per line")
	cmdline.Complete(c, "log-format", logText, logJSON)
}

func (f *progressFlags) check() error {
	if f.quiet && f.verbose {
		return usage(fmt.Errorf("--quiet and --verbose: choose one"))
	}
	return cmdline.OneOf("log-format", f.format, logText, logJSON)
}

// ui is what goes to standard error.
type ui struct{ *terminal.Progress }

// newUI is the progress of a command, as its flags want it.
func newUI(c *cobra.Command) *ui {
	how := terminal.How{Dumb: dumb()}
	how.Quiet, _ = c.Flags().GetBool("quiet") // a command of a test may lack them
	how.Verbose, _ = c.Flags().GetBool("verbose")
	form, _ := c.Flags().GetString("log-format")
	how.JSON = form == logJSON
	return &ui{terminal.NewProgress(c.ErrOrStderr(), how)}
}

// Contents says what is in packages.
func (u *ui) Contents(list []*kernelrpm.Contents) error {
	return u.Aside(func(w io.Writer) error { return kernelrpm.WriteContents(w, list) })
}

// dumb tells of a terminal that knows no sequences: none that clears a line, and none that colours it.
func dumb() bool {
	term := os.Getenv("TERM")
	return term == "" || term == "dumb"
}

// colours tells whether a command may colour what it writes to w. Every word can be read without.
func colours(c *cobra.Command, w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || dumb() || os.Getenv("NO_COLOR") != "" || terminal.Columns(f) == 0 {
		return false
	}
	form, err := c.Flags().GetString("log-format")
	return err == nil && form == logText
}

// show prints what a command found, as JSON or by text. err is why it found nothing.
func show[T any](c *cobra.Command, form jsonFlag, found T, err error, text func(io.Writer, T) error) error {
	if err != nil {
		return err
	}
	return form.print(c, found, func(w io.Writer) error { return text(w, found) })
}

// print writes a result for programs, or as text for people.
func (f *jsonFlag) print(c *cobra.Command, v any, text func(w io.Writer) error) error {
	if f.on {
		return printJSON(c.OutOrStdout(), v)
	}
	return text(c.OutOrStdout())
}

// printJSON writes a result for programs. A list with nothing in it is [], and not null.
func printJSON(w io.Writer, v any) error {
	if list := reflect.ValueOf(v); list.Kind() == reflect.Slice && list.IsNil() {
		v = []any{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
