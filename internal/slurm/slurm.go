// SPDX-License-Identifier: Apache-2.0

// Package slurm runs arrays of tasks on a cluster through Slurm's own commands: sbatch, squeue, scancel and
// scontrol. Their exit codes do not say whether a task did its work (sbatch --wait returns 0 for a cancelled
// task, and after a node was lost). So this package only reports states; callers look at what the tasks wrote.
package slurm

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ovzpatch/internal/command"
	"ovzpatch/internal/tool"
)

// Tools are the commands that the submitting machine needs.
var Tools = func() (list []tool.Tool) {
	for _, name := range []string{"sbatch", "squeue", "scancel", "scontrol"} {
		list = append(list, tool.Tool{Name: name, Apt: "slurm-client", Dnf: "slurm"})
	}
	return list
}()

// Cluster is a cluster that answers.
type Cluster struct {
	MaxArray int // the largest number of tasks in one array
}

var maxArray = regexp.MustCompile(`(?m)^MaxArraySize\s*=\s*(\d+)`)

// Find asks the controller of the cluster that this machine belongs to.
func Find(ctx context.Context) (*Cluster, error) {
	out, err := command.Ask(ctx, "scontrol", "show", "config")
	if err != nil {
		return nil, fmt.Errorf("ask Slurm's controller: %w", err)
	}
	m := maxArray.FindSubmatch(out)
	if m == nil {
		return nil, fmt.Errorf("ask Slurm's controller: scontrol show config has no MaxArraySize")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil || n < 2 {
		return nil, fmt.Errorf("ask Slurm's controller: MaxArraySize = %s, so there are no arrays here", m[1])
	}
	return &Cluster{MaxArray: n}, nil
}

// Array is one script to run as many tasks.
type Array struct {
	Name   string
	Script string   // a file, which sbatch copies
	Args   []string // for the script
	Dir    string   // where it runs, and where the logs go
	Tasks  int      // indices begin at 0
	AtOnce int      // 0 for no limit
	CPUs   int
	Memory int64 // bytes; 0 for the cluster's default
	Time   time.Duration
	// Options are more options of sbatch; they come last and win.
	Options []string
}

// Submit submits an array and returns the number of its job.
func (c *Cluster) Submit(ctx context.Context, a Array) (string, error) {
	indices := fmt.Sprintf("0-%d", a.Tasks-1)
	if a.AtOnce > 0 {
		indices += fmt.Sprintf("%%%d", a.AtOnce)
	}
	args := []string{
		"sbatch", "--parsable", "--job-name=" + a.Name, "--array=" + indices, "--chdir=" + a.Dir,
		// Without %a all tasks would write into one file, and without append a requeue would empty it.
		"--output=" + a.Dir + "/%A_%a.log", "--open-mode=append", "--requeue", "--export=ALL",
		fmt.Sprintf("--time=%d", max(1, int((a.Time+time.Minute-1)/time.Minute))),
	}
	if a.CPUs > 0 {
		args = append(args, fmt.Sprintf("--cpus-per-task=%d", a.CPUs))
	}
	if a.Memory > 0 {
		args = append(args, fmt.Sprintf("--mem=%dM", max(1, a.Memory>>20)))
	}
	args = append(append(append(args, a.Options...), a.Script), a.Args...)
	out, err := command.Output(ctx, command.Cmd{Args: args, Limit: answerLimit})
	if err != nil {
		return "", fmt.Errorf("submit %d tasks: %w", a.Tasks, err)
	}
	// With several clusters, sbatch adds the cluster's name.
	id, _, _ := strings.Cut(strings.TrimSpace(string(out)), ";")
	if _, err := strconv.Atoi(id); err != nil {
		return "", fmt.Errorf("submit %d tasks: sbatch answered %q, which has no number", a.Tasks, out)
	}
	return id, nil
}

// answerLimit is how long a busy controller may take to answer.
const answerLimit = 2 * time.Minute

// Task is one task of an array as the controller knows it.
type Task struct {
	Job    string // the array's number
	Index  int
	State  string // PENDING, RUNNING, ...
	Reason string // why it waits, or why it ended
	Node   string
}

// ended are the final states. A task that is requeued becomes PENDING again.
var ended = []string{"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}

// Ended reports whether the task is over.
func (t Task) Ended() bool { return slices.Contains(ended, t.State) }

func (t Task) String() string {
	s := t.State
	if t.Reason != "" && t.Reason != "None" {
		s += ", " + t.Reason
	}
	if t.Node != "" {
		s += ", on " + t.Node
	}
	return s
}

// Tasks returns this user's tasks of arrays of that name. Some time after its end (MinJobAge) the controller
// forgets a task.
func (c *Cluster) Tasks(ctx context.Context, name string) ([]Task, error) {
	out, err := command.Output(ctx, command.Cmd{
		Args:  []string{"squeue", "--noheader", "--me", "--all", "--array", "--states=all", "--name=" + name, "--format=%F|%K|%T|%r|%N"},
		Limit: answerLimit,
	})
	if err != nil {
		return nil, fmt.Errorf("ask Slurm for its queue: %w", err)
	}
	return parseTasks(string(out))
}

func parseTasks(out string) ([]Task, error) {
	var list []Task
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		fields := strings.SplitN(line, "|", 5)
		if len(fields) != 5 {
			return nil, fmt.Errorf("ask Slurm for its queue: %q is not a line of squeue", line)
		}
		index, err := strconv.Atoi(fields[1])
		if err != nil {
			continue // a job of that name that is no array, so not ours
		}
		list = append(list, Task{fields[0], index, fields[2], fields[3], fields[4]})
	}
	return list, nil
}

// Cancel cancels arrays. Arrays that have ended are no error.
func (c *Cluster) Cancel(ctx context.Context, jobs ...string) error {
	if len(jobs) == 0 {
		return nil
	}
	if err := command.Run(ctx, command.Cmd{Args: append([]string{"scancel", "--quiet"}, jobs...), Limit: answerLimit}); err != nil {
		return fmt.Errorf("cancel Slurm's jobs %s: %w", strings.Join(jobs, " "), err)
	}
	return nil
}
