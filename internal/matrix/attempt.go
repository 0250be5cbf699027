// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/report"
	"ovzpatch/internal/scratch"
)

// Attempt is how a cell is tried.
type Attempt struct {
	Program  string
	CacheDir string
	Name     string // of this try, unique among those of the cell
	Temp     string // directory for temporary files; "" for the system's
	Compile  int    // compile jobs, unless the cell's options say; 0 for ovzpatch run's default
}

// Try does one cell and writes its result. If ctx ends, it leaves nothing behind.
func (w *Work) Try(ctx context.Context, c *Cell, a Attempt) (err error) {
	dir := w.attempt(c, a)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("begin %s: %w", c.Name, err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("begin %s: %w", c.Name, err)
	}
	defer func() {
		if err != nil && ctx.Err() != nil {
			os.RemoveAll(dir)
			os.Remove(filepath.Dir(dir)) // if it was the only one
		}
	}()
	temp, remove, err := scratch.New(a.Temp, "cell")
	if err != nil {
		return fmt.Errorf("begin %s: %w", c.Name, err)
	}
	defer remove()
	file := filepath.Join(temp, "report.json")
	args := append([]string{a.Program}, c.Args[0], "--cache-dir="+a.CacheDir, "--report=json="+file)
	if a.Compile > 0 && c.Args[0] == "run" {
		// The cell's own options come later on the command line, and win.
		args = append(args, fmt.Sprintf("--jobs=%d", a.Compile))
	}
	args = append(args, c.Args[1:]...)
	r := &Result{Cell: c.Name, Key: c.Key, Attempt: a.Name}
	if r.Log, err = filepath.Rel(w.Dir, filepath.Join(dir, "log")); err != nil {
		return err
	}
	start := time.Now()
	failed := command.Run(ctx, command.Cmd{
		Args: args, Env: []string{"TMPDIR=" + temp}, Log: filepath.Join(dir, "log"), Limit: c.Limits.Time,
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.Seconds, r.Finished = time.Since(start).Seconds(), time.Now().UTC()
	r.Host, _ = os.Hostname() // for people only
	r.read(file, failed)
	w.keepEvidence(r.Report, dir)
	return w.put(r, dir)
}

// read reads the command's report. If the command wrote none, its error becomes the report.
func (r *Result) read(file string, failed error) {
	r.Report = &report.Report{}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, r.Report)
	}
	if err != nil {
		r.Report = &report.Report{}
	}
	var ran *command.Error
	switch {
	case failed == nil && err == nil:
		return
	case failed == nil:
		// Without a report nobody knows what was done.
		failed, r.ExitCode = fmt.Errorf("the command ended well, but left no report: %w", err), job.CodeFailed
	case errors.As(failed, &ran) && ran.ExitCode >= 0:
		if r.ExitCode = ran.ExitCode; r.Report.Failure != nil || len(r.Report.Kernels) > 0 {
			return
		}
	default: // a signal, or our time limit: the command's own report does not give the reason
		r.ExitCode = job.CodeFailed
	}
	r.Report.Failure = &report.Failure{Error: failed.Error(), ExitCode: r.ExitCode}
}

// keepEvidence copies the logs beside the result: they may be in another machine's cache, which is
// pruned.
func (w *Work) keepEvidence(r *report.Report, dir string) {
	keep := func(path *string) {
		if *path == "" {
			return
		}
		to := filepath.Join(dir, filepath.Base(*path))
		if atomicfile.Copy(*path, to) == nil {
			*path = to
		}
	}
	for i := range r.Kernels {
		keep(&r.Kernels[i].Console)
	}
	if r.Failure != nil {
		keep(&r.Failure.Log)
	}
}
