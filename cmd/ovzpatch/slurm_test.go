// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/source"
	"ovzpatch/patches"
)

// A cluster that loses a node in the middle, with a task that is cancelled and a node that is drained: every other
// cell has its result, the cancelled one is told, and the next call does just that one.
func TestMatrixOnSlurm(t *testing.T) {
	long(t)
	c := startCluster(t)
	cache := filepath.Join(c.dir, "cache")
	const cells = 7
	file := slowMatrix(t, cells, 10, "[slurm]\ncpus = 1\npoll = \"500ms\"\nsettle = \"2s\"\ncache = \""+cache+"\"\ntmp = \""+c.dir+"/tmp\"\n")
	work := strings.TrimSuffix(file, ".toml") + ".results"

	s := c.matrix(file)
	c.await("four tasks run, and two arrays are there", func() bool {
		return len(c.tasks("RUNNING")) == 4 && len(c.tasks("PENDING")) == 3
	})
	cancelled := c.tasks("PENDING")[0]
	c.run("scancel", cancelled)
	c.run("scontrol", "update", "nodename=n2", "state=drain", "reason=test")
	c.kill(c.nodes["n1"])
	c.await("n2 has ended what ran there, and takes nothing", func() bool { return c.state("n2") == "drained" && len(c.tasks("PENDING")) > 0 })
	c.run("scontrol", "update", "nodename=n2", "state=resume")
	if code := s.end(); code != 1 || !strings.Contains(s.out.String(), fmt.Sprintf("%d of %d cells as expected, 1 without a result", cells-1, cells)) {
		t.Fatalf("exit code %d\n%s", code, s)
	}
	if want := fmt.Sprintf("task %s of Slurm left no result: it is not in the queue any more, and was last seen there as PENDING", cancelled); !strings.Contains(s.out.String(), want) {
		t.Errorf("it lacks %q:\n%s", want, s)
	}
	if n := count(t, work, "results", "*.json"); n != cells-1 {
		t.Errorf("%d results", n)
	}
	s = c.matrix(file)
	if code := s.end(); code != 0 || !strings.Contains(s.out.String(), fmt.Sprintf("%d of %d cells as expected, %d done before", cells, cells, cells-1)) {
		t.Fatalf("exit code %d\n%s", code, s)
	}
	c.await("no task is left", func() bool { return c.run("squeue", "--noheader") == "" })
	if n := processesWith("TMPDIR=" + c.dir); n != 0 {
		t.Errorf("%d processes of cells are left", n)
	}
}

// What cannot work is told before the first cell, and a matrix that is stopped leaves no task.
func TestMatrixOnSlurmIsRefusedAndStopped(t *testing.T) {
	long(t)
	c := startCluster(t)
	settings := "[slurm]\ncpus = 1\npoll = \"500ms\"\nsettle = \"2s\"\ncache = \"" + c.dir + "/cache\"\ntmp = \"" + c.dir + "/tmp\"\n"
	file := slowMatrix(t, 2, 16, settings)

	s := c.matrix(file, "--output="+filepath.Join(c.blind, "results"))
	if code := s.end(); code != 2 || !strings.Contains(s.stderr.String(), "name a directory with --output that all nodes see") {
		t.Errorf("a directory that nodes do not see: exit code %d\n%s", code, s)
	}
	s = c.matrix(slowMatrix(t, 1, 1, settings+"options = [\"--partition=none\"]\n"))
	if code := s.end(); code != 2 || !strings.Contains(s.stderr.String(), "invalid partition") {
		t.Errorf("no such partition: exit code %d\n%s", code, s)
	}
	s = c.matrix(slowMatrix(t, 1, 1, strings.Replace(settings, "cpus = 1", "cpus = 3", 1)))
	if code := s.end(); code != 2 || !strings.Contains(s.stderr.String(), "Requested node configuration is not available") {
		t.Errorf("more processors than a node has: exit code %d\n%s", code, s)
	}
	cmd := exec.CommandContext(t.Context(), "../../bin/ovzpatch", "matrix", file, "--engine=slurm")
	cmd.Env = []string{"PATH=/nowhere", "HOME=" + t.TempDir()}
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "sbatch") {
		t.Errorf("without Slurm's commands: %v: %s", cmd.ProcessState, out)
	}

	work := strings.TrimSuffix(file, ".toml") + ".results"
	s = c.matrix(file)
	c.await("two cells run", func() bool { return count(t, work, "attempts", "*", "*", "log") == 2 })
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.end()
	if ended := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !ended.Signaled() || ended.Signal() != syscall.SIGTERM {
		t.Errorf("it did not end by the signal: %v\n%s", s.cmd.ProcessState, s)
	}
	c.await("no task is left", func() bool { return c.run("squeue", "--noheader") == "" })
	if n := processesWith("TMPDIR="+c.dir) + count(t, work, "attempts", "*", "*") + count(t, work, "slurm", "*") + count(t, c.dir, "tmp", "*"); n != 0 {
		t.Errorf("%d processes, tries, calls and temporary directories are left\n%s", n, s)
	}

	// Who is killed leaves tasks; the next call ends them. Without a node they wait, and that is told.
	s = c.matrix(file)
	c.await("two cells run", func() bool { return count(t, work, "attempts", "*", "*", "log") == 2 })
	s.cmd.Process.Kill()
	s.end()
	for _, n := range []string{"n1", "n2"} {
		c.run("scontrol", "update", "nodename="+n, "state=drain", "reason=test")
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, bytes.Replace(text, []byte("cpus = 1"), []byte("cpus = 1\nwait = \"4s\""), 1), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	s = c.matrix(file)
	code := s.end()
	for _, want := range []string{"cancelling jobs that an earlier call left", "did not run within 4s; Slurm says PENDING, "} {
		if code != 1 || !strings.Contains(s.stderr.String(), want) {
			t.Errorf("exit code %d, without %q:\n%s", code, want, s)
		}
	}
	c.await("no task is left", func() bool { return c.run("squeue", "--noheader") == "" })
}

// Kernels that are built and booted on two nodes. One node's slurmd is killed in the middle of a build: the build lives
// on, while Slurm starts a second copy of its task. Each cell has one result, and nothing is left running.
func TestMatrixBuildsOnSlurm(t *testing.T) {
	long(t)
	c := startCluster(t)
	port, err := patches.ForLine("mainline-6.1")
	if err != nil {
		t.Fatal(err)
	}
	// Nobody has built with this patch, but what the other files compile to is in the cache after the first time.
	comment := fmt.Sprintf("/* At %d: with MNT_EXPIRE", time.Now().Unix())
	dir := t.TempDir()
	for _, name := range []string{"one", "two"} {
		text := bytes.Replace(port.Data, []byte("/* With MNT_EXPIRE"), []byte(comment+" "+name), 1)
		if err := os.WriteFile(filepath.Join(dir, name+".patch"), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "m.toml")
	path := source.Newest(source.Debian)
	matrix := fmt.Sprintf(`options = { cases = "^force-idle$" }
axes = { variants = ["with"] }
limits = { memory = "1GiB" }
slurm = { cpus = 2, poll = "500ms", settle = "2s", cache = %q, tmp = %q }
source.one = { path = %q, options = { patch = "one.patch" } }
source.two = { path = %q, options = { patch = "two.patch" } }
`, defaultCache(), filepath.Join(c.dir, "tmp"), path, path)
	if err := os.WriteFile(file, []byte(matrix), 0o644); err != nil {
		t.Fatal(err)
	}
	s := c.matrix(file, "--json")
	// The node on which a kernel is built, once one is. That may take a few seconds only.
	node := ""
	eventually(t, 10*time.Minute, "a node builds", func() bool {
		for task := range strings.FieldsSeq(c.run("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%A|%N")) {
			job, on, _ := strings.Cut(task, "|")
			logs, _ := filepath.Glob(filepath.Join(dir, "m.results/attempts/*", job+".0", "log"))
			for _, l := range logs {
				if text, err := os.ReadFile(l); err == nil && bytes.Contains(text, []byte("] building the kernel")) {
					node = on
				}
			}
		}
		return node != ""
	})
	t.Logf("%s builds: its slurmd is killed", node)
	c.killDaemon(node)
	if code := s.end(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, s)
	}
	r := parseReport(t, s.out.String())
	for _, cell := range r.Cells {
		if cell.Outcome != "protected" || len(cell.Report.Kernels) != 1 {
			t.Errorf("%s: %s", cell.Name, cell.Outcome)
		}
		t.Logf("%s: %s on %s after %.0f s, log %s", cell.Name, cell.Outcome, cell.Host, cell.Seconds, cell.Log)
	}
	if n := processesWith("TMPDIR=" + c.dir); n != 0 {
		t.Errorf("%d processes of cells are left", n)
	}
	c.await("no task is left", func() bool { return c.run("squeue", "--noheader") == "" })
}
