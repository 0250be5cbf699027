// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/preflight"
	"ovzpatch/internal/report"
)

// reportFlags say where results go besides standard output.
type reportFlags struct {
	values []string
	files  []report.File
}

func (f *reportFlags) register(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.values, "report", nil, "also write the result into files: FORMAT=FILE, several with commas; FORMAT is one of "+strings.Join(report.Formats(), ", "))
	c.RegisterFlagCompletionFunc("report", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var all []string
		for _, name := range report.Formats() {
			all = append(all, name+"=")
		}
		return all, cobra.ShellCompDirectiveNoSpace
	})
}

// parse reads the values.
func (f *reportFlags) parse() (err error) {
	if f.files, err = report.ParseFiles(f.values); err != nil {
		return usage(fmt.Errorf("--report: %w", err))
	}
	return nil
}

// check finds out before the work whether the files can be written.
func (f *reportFlags) check() error {
	if err := f.parse(); err != nil {
		return err
	}
	for _, file := range f.files {
		if err := preflight.OutputFile("report", file.Path); err != nil {
			return err
		}
	}
	return nil
}

// beside refuses files that would take the place of sources, or of files in them.
func (f *reportFlags) beside(sources []string) error {
	for _, file := range f.files {
		if err := preflight.Replaced("report", file.Path, sources); err != nil {
			return err
		}
	}
	return nil
}

// write writes the files, and returns failed, which is why the work ended early, with what went
// wrong here. A report tells of a failure, too.
func (f *reportFlags) write(c *cobra.Command, r *report.Report, failed error) error {
	r.Command = c.Name()
	if failed != nil {
		failed = judged(c, c.Flags().Args(), failed)
		failure := newFailure(failed)
		r.Failure = &failure
	}
	for _, file := range f.files {
		failed = errors.Join(failed, file.Write(r))
	}
	file := ""
	if patch := c.Flags().Lookup("patch"); patch != nil {
		file = patch.Value.String()
	}
	workflowOf(c.Context()).Annotate(file, r.Problems())
	return failed
}

type workflowKey struct{}

// withWorkflow hands the CI system to the commands; nil is none.
func withWorkflow(ctx context.Context, f *report.Workflow) context.Context {
	return context.WithValue(ctx, workflowKey{}, f)
}

func workflowOf(ctx context.Context) *report.Workflow {
	f, _ := ctx.Value(workflowKey{}).(*report.Workflow)
	return f
}

// finish writes the reports, prints the result, and returns an error for what nobody
// expected. With an error that ended the work r has what was found until then.
func (f *reportFlags) finish(c *cobra.Command, r *report.Report, failed error, form jsonFlag) error {
	if err := f.write(c, r, failed); err != nil {
		return err
	}
	write := func(w io.Writer) error { return r.Text(w, colours(c, w)) }
	if form.on {
		write = r.JSON
	}
	err := workflowOf(c.Context()).Section("ovzpatch_result", r.Headline(), func() error { return write(c.OutOrStdout()) })
	if err != nil {
		return err
	}
	return r.Unexpected()
}

// checkOutput finds out before the work whether its results can be written to the directory of --output.
func checkOutput(dir string) error { return preflight.Output("output", dir) }
