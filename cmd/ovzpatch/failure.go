// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"ovzpatch/internal/command"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/report"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/terminal"
)

// newFailure is what a program gets of an error.
func newFailure(err error) report.Failure {
	f := report.Failure{Error: terminal.Text(err.Error()), ExitCode: exitCode(err)}
	var boot *qemu.BootError
	var build *rpmbuild.Error
	var ran *command.Error
	switch {
	case errors.As(err, &boot):
		f.Outcome, f.Line, f.Log, f.Kernel = string(boot.Outcome), terminal.Text(boot.Line), boot.ConsolePath, boot.KernelBad
	case errors.As(err, &build):
		f.Log = build.Log
	case errors.As(err, &ran):
		f.Log = ran.LogPath
	}
	return f
}

// written is a standard output that knows whether there was any, and whether all of it was taken: not all
// that prints looks, as the help does not.
type written struct {
	w   io.Writer
	any bool
	err error // the first
}

func (o *written) Write(p []byte) (int, error) {
	o.any = o.any || len(p) > 0
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// failure writes an error as JSON where that was asked for. Where there is a result, it is
// JSON already.
func (o *written) failure(c *cobra.Command, err error) error {
	f := c.Flags().Lookup("json")
	// Where a flag is wrong, those after it were not read.
	if f == nil || o.any || f.Value.String() != "true" && !slices.Contains(os.Args, "--json") {
		return nil
	}
	return printJSON(o, newFailure(err))
}
