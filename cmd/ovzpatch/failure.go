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
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/terminal"
)

// failure is what a program that asked for JSON gets where there is no result.
type failure struct {
	Error    string `json:"error"` // as people read it
	ExitCode int    `json:"exit_code"`
	// Outcome is what became of a boot, "" for other failures; Line decided it.
	Outcome qemu.Outcome `json:"outcome,omitempty"`
	Line    string       `json:"line,omitempty"`
	// Log is a file with more: a build's output, or a guest's console.
	Log string `json:"log,omitempty"`
}

func newFailure(err error) failure {
	f := failure{Error: terminal.Text(err.Error()), ExitCode: exitCode(err)}
	var boot *qemu.BootError
	var build *rpmbuild.Error
	var ran *command.Error
	switch {
	case errors.As(err, &boot):
		f.Outcome, f.Line, f.Log = boot.Outcome, terminal.Text(boot.Line), boot.ConsolePath
	case errors.As(err, &build):
		f.Log = build.Log
	case errors.As(err, &ran):
		f.Log = ran.LogPath
	}
	return f
}

// written is a standard output that knows whether there was any.
type written struct {
	w   io.Writer
	any bool
}

func (o *written) Write(p []byte) (int, error) {
	o.any = o.any || len(p) > 0
	return o.w.Write(p)
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
