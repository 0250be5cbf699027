// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
)

// handed is the file that the tasks of one call read.
type handed struct {
	Work    string  `json:"work"`
	Attempt Attempt `json:"attempt"`
	Cells   []*Cell `json:"cells"`
}

// hand writes the files of the tasks. If a node lacks the directory, Slurm runs the task in /tmp, so each task
// checks first.
func (e *Cluster) hand(w *Work, cells []*Cell) error {
	plan := filepath.Join(e.dir, "cells.json")
	data, err := json.Marshal(handed{w.Dir, Attempt{Program: e.Program, CacheDir: e.Cache, Temp: e.Temp, Compile: e.CPUs}, cells})
	if err != nil {
		return err
	}
	look := "#!/bin/sh\n" +
		"[ -e " + command.Quote(plan) + " ] || { echo \"$(hostname) does not see \"" + command.Quote(e.dir) + " >&2; exit 1; }\n" +
		"[ -x " + command.Quote(e.Program) + " ] || { echo \"$(hostname) does not see \"" + command.Quote(e.Program) + " >&2; exit 1; }\n"
	task := look + "exec " + command.Quote(e.Program) + " matrix cell --plan=" + command.Quote(plan) +
		" --attempt=\"$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}\" $(($1 + SLURM_ARRAY_TASK_ID))\n"
	seen := filepath.Join(e.dir, "seen")
	probe := look + command.Quote(e.Program) + " version && hostname >" + command.Quote(seen+".new") + " && mv " + command.Quote(seen+".new") + " " + command.Quote(seen) + "\n"
	return errors.Join(
		atomicfile.WriteBytes(plan, data),
		atomicfile.WriteBytes(filepath.Join(e.dir, "task.sh"), []byte(task)),
		atomicfile.WriteBytes(filepath.Join(e.dir, "probe.sh"), []byte(probe)))
}

// cell does one of the cells, in a task.
func (h *handed) cell(ctx context.Context, i int, attempt string, u job.Reporter) error {
	if i < 0 || i >= len(h.Cells) {
		return job.BadRequest(fmt.Errorf("there is no cell %d among %d", i, len(h.Cells)))
	}
	w, c := &Work{h.Work}, h.Cells[i]
	if r, err := w.Result(c.Key); err != nil || r != nil {
		u.Say("%s is done already", c.Name)
		return err
	}
	h.Attempt.Name = attempt
	u.Say("%s", c.Name)
	if err := os.MkdirAll(h.Attempt.Temp, 0o755); err != nil {
		return err
	}
	err := w.Try(ctx, c, h.Attempt)
	if errors.Is(err, errLate) {
		u.Say("another try of %s was first", c.Name)
		return nil
	}
	return err
}

// DoHanded does the i-th cell of the file plan, which the submitting machine wrote.
func DoHanded(ctx context.Context, plan string, i int, attempt string, u job.Reporter) error {
	data, err := os.ReadFile(plan)
	if err != nil {
		return job.BadRequest(fmt.Errorf("read the cells: %w", err))
	}
	var h handed
	if err := json.Unmarshal(data, &h); err != nil {
		return job.BadRequest(fmt.Errorf("read the cells of %s: %w", plan, err))
	}
	return h.cell(ctx, i, attempt, u)
}
