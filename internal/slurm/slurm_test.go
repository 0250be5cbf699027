// SPDX-License-Identifier: Apache-2.0

package slurm

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What squeue printed on a cluster of two nodes, and lines that are none of ours.
const queue = `7|0|COMPLETED|None|n1
7|1|CANCELLED|None|n2
8|0|PENDING|Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions|
8|1|RUNNING|None|n1

9|N/A|RUNNING|None|n1
`

func TestTasks(t *testing.T) {
	tasks, err := parseTasks(queue)
	if err != nil || len(tasks) != 4 {
		t.Fatalf("%+v, %v", tasks, err)
	}
	var over []bool
	for _, task := range tasks {
		over = append(over, task.Ended())
	}
	if !slices.Equal(over, []bool{true, true, false, false}) {
		t.Errorf("over: %v", over)
	}
	if got := tasks[2].String(); !strings.HasPrefix(got, "PENDING, Nodes required") {
		t.Error(got)
	}
	if got := tasks[1].String(); got != "CANCELLED, on n2" {
		t.Error(got)
	}
	if tasks, err := parseTasks("slurm is down\n"); err == nil {
		t.Errorf("%+v", tasks)
	}
}

// fake puts a program of that name before all others.
func fake(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// The options without which tasks lose their logs, and what sbatch may answer.
func TestSubmit(t *testing.T) {
	for answer, want := range map[string]string{"12": "12", "12;other": "12", "": "", "queued": ""} {
		fake(t, "sbatch", "printf '%s\\n' \"$@\" >"+filepath.Join(t.TempDir(), "args")+"; echo '"+answer+"'")
		id, err := (&Cluster{}).Submit(t.Context(), Array{Script: "s", Tasks: 3})
		if id != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", answer, id, err)
		}
	}
	args := filepath.Join(t.TempDir(), "args")
	fake(t, "sbatch", "printf '%s\\n' \"$@\" >"+args+"; echo 1")
	a := Array{Name: "n", Script: "/d/s", Args: []string{"4"}, Dir: "/d", Tasks: 3, AtOnce: 2, CPUs: 2, Memory: 512 << 20, Time: 90 * time.Second, Options: []string{"--partition=p"}}
	if _, err := (&Cluster{}).Submit(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(args)
	want := "--parsable --job-name=n --array=0-2%2 --chdir=/d --output=/d/%A_%a.log --open-mode=append --requeue --export=ALL --time=2 --cpus-per-task=2 --mem=512M --partition=p /d/s 4"
	if line := strings.Join(strings.Fields(string(got)), " "); err != nil || line != want {
		t.Errorf("%v\n%s\n%s", err, line, want)
	}
}

func TestFind(t *testing.T) {
	for config, want := range map[string]int{"A = 1\nMaxArraySize            = 1001\nB = 2": 1001, "MaxArraySize = 0": 0, "B = 2": 0, "MaxArraySize = 99999999999999999999": 0} {
		fake(t, "scontrol", "cat <<'END'\n"+config+"\nEND\n")
		c, err := Find(t.Context())
		if (err == nil) != (want > 0) || err == nil && c.MaxArray != want {
			t.Errorf("%q: %+v, %v", config, c, err)
		}
	}
	fake(t, "scontrol", "echo 'Unable to contact slurm controller' >&2; exit 1")
	if _, err := Find(t.Context()); err == nil || !strings.Contains(err.Error(), "Unable to contact") {
		t.Error(err)
	}
	if err := errors.Join((&Cluster{}).Cancel(t.Context())); err != nil {
		t.Errorf("nothing to cancel: %v", err)
	}
}
